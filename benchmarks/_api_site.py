"""The site with one more address: the leaderboard's bytes, from memory."""

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from crunchsite.urls import urlpatterns as of_site

BOARD, MEMORY = "/reports/leaderboard", "/reports/memory"


@cache
def board() -> bytes:
    return Client(SERVER_NAME="127.0.0.1").get(BOARD).content


def memory(_: HttpRequest) -> HttpResponse:
    return HttpResponse(board(), content_type="application/json")


urlpatterns = [path(MEMORY[1:], memory), *of_site]
