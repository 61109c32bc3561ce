"""Passwords cannot be guessed by trying; an operator can unlock an account."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture
def alice():
    return User.objects.create_superuser("alice", password="the right one")


def log_in(client, password, *, username="alice", address="203.0.113.7"):
    form = {"username": username, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address).status_code


def test_the_sixth_guess_is_refused_and_so_is_the_right_password(client, alice):
    guesses = [log_in(client, f"guess {n}") for n in range(6)]
    assert guesses == [200, 200, 200, 200, 429, 429]
    assert log_in(client, "the right one") == 429


def test_the_owner_logs_in_from_elsewhere_and_others_from_there(client, alice):
    User.objects.create_superuser("bob", password="bob's")
    for n in range(6):
        log_in(client, f"guess {n}")
    assert log_in(client, "the right one", address="198.51.100.4") == 302
    assert log_in(client, "bob's", username="bob") == 302


def test_an_operator_unlocks(client, alice):
    for n in range(6):
        log_in(client, f"guess {n}")
    call_command("axes_reset_username", "alice")
    assert log_in(client, "the right one") == 302


def test_a_success_clears_the_wrong_ones(client, alice):
    for _ in range(3):
        assert [log_in(client, f"guess {n}") for n in range(3)] == [200] * 3
        assert log_in(client, "the right one") == 302


@pytest.mark.parametrize("username", ["", "x" * 10_000, "a\0b", "'; --"])
def test_a_strange_name_is_only_a_wrong_one(client, alice, username):
    assert log_in(client, "guess", username=username) in (200, 400)
