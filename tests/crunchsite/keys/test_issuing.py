import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from competitions.models import Cruncher
from crunchsite.keys import tokens
from crunchsite.keys.issuing import KeyInvalidError, create_key, find_key, revoke_key
from crunchsite.keys.models import ApiKey
from tests import factories
from tests.conftest import NOW

TOKEN = r"csk_[a-z0-9]{8}_[A-Za-z0-9]{43}"


@pytest.fixture
def competition(db, frozen_clock):
    return factories.competition()


@pytest.fixture
def cruncher(competition):
    return Cruncher.objects.create(
        competition=competition,
        cruncher_id="c1",
        name="alice",
        cruncher_index=0,
        created_at=NOW,
    )


def command(*arguments) -> tuple[str, str]:
    out, said = StringIO(), StringIO()
    call_command("key", *arguments, stdout=out, stderr=said)
    return out.getvalue(), said.getvalue()


def test_a_key_is_kept_as_its_hash(competition):
    key, token = create_key(name="bot", scopes=["read"])
    assert re.fullmatch(TOKEN, token)
    assert token not in repr(ApiKey.objects.values().get())
    assert key.digest == tokens.digest_of(token)
    assert key.shown == f"csk_{key.prefix}_…"
    assert tokens.is_same(token, key.digest)
    assert not tokens.is_same(f"{token[:-1]}~", key.digest)


def test_texts_are_compared_in_the_same_time_whatever_they_are(monkeypatch):
    compared = []
    monkeypatch.setattr(
        tokens, "constant_time_compare", lambda *pair: compared.append(pair)
    )
    tokens.is_same("csk_x", "digest")
    assert compared == [(tokens.digest_of("csk_x"), "digest")]


def test_no_two_keys_are_alike(competition):
    made = {create_key(name="bot", scopes=["read"])[1] for _ in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scopes": []}, "cannot be blank"),
        ({"scopes": ["write"]}, "not a valid choice"),
        ({"scopes": ["write:models"]}, "name it"),
        ({"name": ""}, "cannot be blank"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "a\0b"}, "cannot be shown"),
        ({"name": "a\ud800b"}, "cannot be shown"),
        ({"expires_at": NOW}, "This is in the past"),
    ],
)
def test_a_key_that_cannot_be_meant_is_not_made(competition, fields, said):
    with pytest.raises(KeyInvalidError, match=said):
        create_key(**{"name": "bot", "scopes": ["read"], **fields})
    assert not ApiKey.objects.exists()
    assert not User.objects.exists()


@pytest.mark.parametrize("scope", ["write:operate", "write:payouts", "admin"])
def test_a_crunchers_key_writes_models_alone(cruncher, scope):
    with pytest.raises(KeyInvalidError, match="read and write:models alone"):
        create_key(name="bot", scopes=["read", scope], cruncher=cruncher)
    key, _ = create_key(name="bot", scopes=["read", "write:models"], cruncher=cruncher)
    assert key.competition == cruncher.competition
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.update(scopes=[scope])
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.update(competition=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.update(cruncher=None)


def test_a_cruncher_of_another_competition_is_refused(cruncher):
    with pytest.raises(KeyInvalidError, match="another competition"):
        create_key(
            name="bot",
            scopes=["read"],
            cruncher=cruncher,
            competition=factories.competition("other"),
        )


def test_a_deleted_competition_takes_its_keys_with_it(competition):
    create_key(name="bot", scopes=["admin"], competition=competition)
    competition.delete()
    assert not ApiKey.objects.exists()


def test_a_key_has_an_account_that_nobody_logs_in_with(competition):
    key, token = create_key(name="bot", scopes=["admin"])
    account = key.account
    assert account.username == f"key.{key.prefix}"
    assert not account.is_active
    assert not account.is_staff
    assert not account.has_usable_password()
    assert not account.check_password(token)


def test_a_key_is_revoked_once_and_the_trail_says_by_whom(competition):
    olga = User.objects.create_superuser("olga")
    key, token = create_key(name="bot", scopes=["read"], user=olga)
    assert revoke_key(key_id=key.pk, user=olga)
    assert not revoke_key(key_id=key.pk, user=olga)
    assert [(entry.user, entry.get_change_message()) for entry in trail()] == [
        (olga, "made with read for the site"),
        (olga, "revoked"),
    ]
    assert token not in repr(list(LogEntry.objects.values()))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_revoke_at_once_one_is_first(frozen_clock):
    key, _ = create_key(name="bot", scopes=["read"])

    def revoke(_):
        try:
            return revoke_key(key_id=key.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(revoke, range(8))) == [False] * 7 + [True]
    assert [entry.get_change_message() for entry in trail()][1:] == ["revoked"]


def trail():
    return LogEntry.objects.order_by("pk")


def test_the_command_prints_the_key_alone_once(competition):
    out, said = command(
        *("create", "nightly", "--scope", "write:payouts", "--scope", "read"),
        *("--competition", competition.slug, "--days", "90"),
    )
    key = ApiKey.objects.get()
    assert tokens.is_same(out.strip(), key.digest)
    assert out.strip() not in said
    assert key.scopes == ["read", "write:payouts"]
    assert key.expires_at == NOW + timedelta(days=90)
    assert command("list")[0] == (
        f"csk_{key.prefix}  live     used never             "
        "read,write:payouts  btc-demo  nightly\n"
    )
    assert command("revoke", f"csk_{key.prefix}")[0] == f"{key} is revoked.\n"
    assert command("revoke", out.strip())[0] == f"{key} was revoked before.\n"
    assert "revoked  used never" in command("list")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--competition", "none"], "there is none with that name"),
        (["--cruncher", "c1"], "--cruncher needs --competition"),
        (["--competition", "btc-demo", "--cruncher", "none"], "has none of that id"),
        (["--days", "0"], "give 1 to 36500"),
        (["--days", "99999999999"], "give 1 to 36500"),
        (["--scope", "write:models"], "name it"),
    ],
)
def test_the_command_says_what_is_wrong(competition, arguments, said):
    with pytest.raises(CommandError, match=said):
        command("create", "bot", "--scope", "read", *arguments)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("text", ["", "csk_", "none", "\0", "csk_none_" + "s" * 43])
def test_an_unknown_prefix_is_told_without_a_secret(db, text):
    with pytest.raises(KeyInvalidError, match="no key begins with") as caught:
        find_key(text)
    assert "sss" not in str(caught.value)
