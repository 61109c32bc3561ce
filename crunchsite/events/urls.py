"""Addresses of events, below /api/v1/."""

from django.urls import re_path

from crunchsite.events import api

urlpatterns = [re_path(r"^events/?$", api.events, name="events")]
