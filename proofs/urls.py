from django.urls import re_path

from proofs import api

urlpatterns = [
    re_path(r"^log/witnesses/?$", api.witnesses_of_log, name="log-witnesses"),
    re_path(r"^log/(?P<path>.+)$", api.log, name="log"),
]
