"""Keys at the site's addresses: access, errors, log lines."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from core.permissions import REALM
from crunchsite.keys import checking
from crunchsite.keys.checking import holder_of
from crunchsite.keys.issuing import create_key, revoke_key
from crunchsite.keys.key_scopes import acts_of
from crunchsite.keys.models import ApiKey
from tests.conftest import NOW
from tests.crunchsite.keys.conftest import bearer

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

BOARD = "/reports/leaderboard"
LEGACY = "correct horse battery staple"


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def confirm(client, checkpoint, **headers):
    return client.post(
        f"/reports/checkpoints/{checkpoint}/confirm",
        {"tx_hash": "0x" + "a" * 64},
        content_type="application/json",
        headers=headers,
    )


@pytest.fixture
def env(settings):
    """Change variables of the environment: `env(api_read_auth=True)`."""

    def change(**values):
        settings.ENV = settings.ENV.model_copy(update=values)

    return change


# ------------------------------------------------------------------ is it a key?


@pytest.mark.parametrize(
    "headers",
    [
        lambda token: {"Authorization": f"Bearer {token}"},
        lambda token: {"Authorization": f"bEARER   {token} "},
        lambda token: {"X-API-Key": token},
        lambda token: {"X-API-Key": f" {token} ", "Authorization": "Bearer none"},
        lambda token: {"X-API-Key": " ", "Authorization": f"Bearer {token}"},
    ],
)
def test_a_key_comes_in_either_header(client, world, key, env, headers):
    env(api_read_auth=True)
    assert client.get(BOARD, headers=headers(key("read"))).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: token.swapcase(),
        lambda token: token.replace("csk_", ""),
        lambda token: f"csk_aaaaaaaa_{token[-43:]}",
        lambda token: "none",
        lambda token: "é" * 43,
        lambda token: "\N{FULLWIDTH DIGIT ONE}",
        lambda token: "x" * 5000,
        lambda token: f"{token} {token}",
    ],
)
def test_a_wrong_key_is_unknown_everywhere(client, world, key, change):
    wrong = change(key("admin"))
    for header in (bearer(wrong), {"X-API-Key": wrong}):
        for path in (BOARD, f"/api{BOARD}", "/", "/leaderboard.csv"):
            answer = client.get(path, headers=header)
            if answer.status_code != 404:
                assert refusal(answer) == (401, "key_unknown"), path
                assert answer["WWW-Authenticate"] == REALM
    assert refusal(confirm(client, world.checkpoints[0], **bearer(wrong))) == (
        401,
        "key_unknown",
    )


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "Bearer"])
def test_what_is_no_key_leaves_a_stranger(client, world, key, scheme):
    token = key("admin")
    given = {"Authorization": f"{scheme} {token}" if scheme != "Bearer" else "Bearer "}
    assert client.get(BOARD, headers=given).status_code == 200
    answer = confirm(client, world.checkpoints[0], **given)
    assert refusal(answer) == (401, "not_authenticated")
    assert refusal(confirm(client, world.checkpoints[0], Cookie=f"key={token}")) == (
        401,
        "not_authenticated",
    )


def test_a_key_expires_on_the_instant(client, world, at, key):
    token = key("read", expires_at=NOW + timedelta(days=1))
    with at(NOW + timedelta(days=1) - timedelta.resolution):
        assert client.get(BOARD, headers=bearer(token)).status_code == 200
    with at(NOW + timedelta(days=1)):
        answer = client.get(BOARD, headers=bearer(token))
    assert refusal(answer) == (401, "key_expired")


def test_a_revoked_key_is_refused_at_once(client, world, key):
    token = key("admin")
    assert client.get(BOARD, headers=bearer(token)).status_code == 200
    revoke_key(key_id=ApiKey.objects.get().pk)
    answer = client.get(BOARD, headers=bearer(token))
    assert refusal(answer) == (401, "key_revoked")
    assert answer["WWW-Authenticate"] == REALM


def test_whether_a_key_expired_is_told_to_who_has_it_alone(client, world, key):
    token = key("admin")
    revoke_key(key_id=ApiKey.objects.get().pk)
    answer = client.get(BOARD, headers=bearer(f"{token[:-1]}~"))
    assert refusal(answer) == (401, "key_unknown")
    other = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert refusal(client.get(BOARD, headers=bearer(other))) == (401, "key_unknown")


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "apikey", "access_token"])
@pytest.mark.parametrize("value", ["", "none"])
def test_a_key_in_the_address_is_refused_by_its_name(client, world, name, value):
    answer = client.get(BOARD, {name: value})
    assert refusal(answer) == (400, "key_in_query")


@pytest.mark.parametrize("query", ["token={}", "q=Bearer%20{}", "{}", "{}=1"])
def test_a_key_in_the_address_is_refused_by_what_it_is(client, world, key, query):
    token = key("read")
    for path in (BOARD, "/"):
        answer = client.get(f"{path}?{query.format(token)}", headers=bearer(token))
        assert refusal(answer) == (400, "key_in_query")
        assert token not in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["/tournament/rounds/{}/status", "/reports/checkpoints/{}/payload"]
)
def test_a_key_in_the_path_is_refused_too(client, world, key, path):
    token = key("read")
    answer = client.get(path.format(token), headers=bearer(token))
    assert refusal(answer) == (400, "key_in_query")
    assert token not in answer.content.decode()


def test_no_line_of_the_log_holds_a_key(client, world, key, env, caplog):
    env(api_key=LEGACY)
    caplog.set_level(logging.DEBUG)
    token = key("read")
    checkpoint = world.checkpoints[0]
    for given in (token, f"{token}x", LEGACY):
        for headers in (bearer(given), {"X-API-Key": given}):
            client.get(BOARD, headers=headers)
            client.get("/reports/none", headers=headers)
            confirm(client, checkpoint, **headers)
        client.get(BOARD, {"api_key": given})
    revoke_key(key_id=ApiKey.objects.get().pk)
    client.get(BOARD, headers=bearer(token))
    told = [record.getMessage() + repr(record.args) for record in caplog.records]
    assert any("key.refused" in line for line in told)
    for line in told:
        if "django.db" not in line and "SELECT" not in line:
            assert token[-43:] not in line
            assert LEGACY not in line


@pytest.mark.parametrize("path", ["/healthz", "/info", "/admin/login/"])
def test_who_watches_and_who_logs_in_is_asked_for_no_key(client, world, path):
    assert client.get(path, headers=bearer("none")).status_code == 200


def test_the_admin_takes_no_key(client, world, key):
    answer = client.get("/admin/", headers=bearer(key("admin")))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


# ------------------------------------------------------------------ what it may do


def test_a_key_counts_before_a_session_and_needs_no_token_of_a_form(
    world, key, django_user_model
):
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_superuser("olga"))
    assert confirm(client, world.checkpoints[0]).status_code == 403
    answer = confirm(client, world.checkpoints[0], **bearer(key("read")))
    assert refusal(answer) == (403, "scope_insufficient")
    answer = confirm(client, world.checkpoints[0], **bearer(key("write:payouts")))
    assert answer.status_code == 200


def test_the_trail_says_which_key_it_was(client, world, key):
    token = key("write:payouts")
    checkpoint = world.checkpoints[0]
    assert confirm(client, checkpoint, **bearer(token)).status_code == 200
    entry = LogEntry.objects.get(object_id=str(checkpoint.pk))
    assert entry.user.username == f"key.{token[4:12]}"
    assert "PENDING to SUBMITTED" in entry.get_change_message()


@pytest.mark.parametrize("scope", ["read", "write:operate"])
def test_a_scope_that_does_not_reach_is_told_so(client, world, key, scope):
    answer = confirm(client, world.checkpoints[0], **bearer(key(scope)))
    assert refusal(answer) == (403, "scope_insufficient")
    assert "emissions.settle_checkpoint" in answer.json()["detail"]
    world.checkpoints[0].refresh_from_db()
    assert world.checkpoints[0].status == "PENDING"


def test_a_scope_stands_for_what_its_role_holds_now(client, world, key):
    token = key("write:payouts")
    Group.objects.get(name="finance").permissions.clear()
    answer = confirm(client, world.checkpoints[0], **bearer(token))
    assert refusal(answer) == (403, "scope_insufficient")


@pytest.mark.parametrize(
    ("scope", "role"),
    [
        ("read", "viewer"),
        ("write:payouts", "finance"),
        ("write:operate", "operator"),
        ("admin", "admin"),
    ],
)
def test_a_scope_stands_for_its_role_and_for_no_more(db, scope, role):
    held = Group.objects.get(name=role).permissions.values_list(
        "content_type__app_label", "codename"
    )
    assert acts_of([scope]) == {f"{app}.{codename}" for app, codename in held}


def test_a_key_that_reads_does_nothing_to_models_of_its_cruncher(rf, cruncher, key):
    reader = holder_of(rf.get("/", headers=bearer(key("read", cruncher=cruncher))))
    assert reader.acts_on_own == frozenset()
    assert not reader.has_perm("competitions.view_competition")
    writer = key("read", "write:models", cruncher=cruncher)
    assert holder_of(rf.get("/", headers=bearer(writer))).acts_on_own


def test_a_key_of_a_competition_makes_no_other_one(rf, world, key):
    act = "competitions.add_competition"
    bound = key("admin", competition=world.competition)
    assert not holder_of(rf.get("/", headers=bearer(bound))).has_perm(act)
    assert holder_of(rf.get("/", headers=bearer(key("admin")))).has_perm(act)


def test_a_key_of_a_competition_changes_it_and_settles_its_payouts(rf, world, key):
    bound = key("admin", competition=world.competition)
    holder = holder_of(rf.get("/", headers=bearer(bound)))
    assert holder.has_perm("competitions.change_competition")
    assert holder.has_perm("emissions.settle_checkpoint")
    assert not holder.has_perm("keys.add_apikey")


def test_a_key_of_another_competition_does_not_reach(client, world, other, key):
    token = key("admin", "write:payouts", competition=other.competition)
    answer = confirm(client, world.checkpoints[0], **bearer(token))
    assert refusal(answer) == (403, "key_out_of_reach")
    slug = world.competition.slug
    for path in (BOARD, "/reports/models", "/reports/checkpoints"):
        answer = client.get(path, {"competition": slug}, headers=bearer(token))
        assert refusal(answer) == (403, "key_out_of_reach"), path
    assert confirm(client, other.checkpoints[0], **bearer(token)).status_code == 200


def test_a_bound_key_asks_about_its_own_competition(client, world, other, key):
    token = key("read", competition=other.competition)
    told = client.get("/reports/checkpoints/latest", headers=bearer(token)).json()
    assert told["id"] in map(str, other.checkpoints)
    told = client.get("/reports/checkpoints/latest").json()
    assert told["id"] in map(str, world.checkpoints)


def test_a_draft_is_there_for_its_own_key_alone(client, world, other, key):
    other.competition.status = "DRAFT"
    other.competition.save()
    asked = {"competition": "other-cup"}
    for token, status in (
        (key("read", competition=other.competition), 200),
        (key("read"), 200),
        (key("admin", competition=world.competition), 404),
    ):
        answer = client.get(BOARD, asked, headers=bearer(token))
        assert answer.status_code == status
    answer = client.get(
        f"/reports/checkpoints/{other.checkpoints[0]}/payload",
        headers=bearer(key("admin", competition=world.competition)),
    )
    assert refusal(answer) == (404, "checkpoint_not_found")


def test_a_bound_key_does_nothing_to_the_site(client, world, key):
    body = {"source": "simulated", "subject": "BTCUSDT"}
    for scopes in (["admin"], ["write:operate"]):
        token = key(*scopes, competition=world.competition)
        answer = client.post(
            "/reports/backfill",
            body,
            content_type="application/json",
            headers=bearer(token),
        )
        assert refusal(answer) == (403, "scope_insufficient")


def test_a_crunchers_key_sees_no_draft_and_acts_on_its_own_models_alone(
    rf, world, cruncher, key
):
    from core.acts import may

    act = "competitions.operate_participantmodel"
    token = key("write:models", cruncher=cruncher)
    holder = holder_of(rf.get("/", headers=bearer(token)))
    assert may(holder, act, cruncher_id=cruncher.pk)
    assert not may(holder, act, cruncher_id=cruncher.pk + 1)
    assert not may(holder, act)
    assert not may(holder, "competitions.view_competition", cruncher_id=cruncher.pk)
    assert not may(holder, "emissions.settle_checkpoint", cruncher_id=cruncher.pk)
    reader = holder_of(rf.get("/", headers=bearer(key("read", cruncher=cruncher))))
    assert not may(reader, act, cruncher_id=cruncher.pk)


# ------------------------------------------------------------------ when was it used?


def test_its_use_is_kept_to_the_minute(rf, at, key):
    request = rf.get("/", headers=bearer(key("read")))
    seen = []
    for seconds in (0, 30, 59, 60, 61, 119, 120, -3600, -3599):
        with at(NOW + timedelta(seconds=seconds)):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                holder_of(request)
            used = ApiKey.objects.get().last_used_at - NOW
            seen.append((used.total_seconds(), len(queries)))
    assert seen == [
        *((0, 2), (0, 1), (0, 1), (60, 2), (60, 1), (60, 1), (120, 2)),
        *((-3600, 2), (-3600, 1)),
    ]


def test_who_has_read_a_key_before_another_used_it_notes_nothing(db, frozen_clock):
    stale, _ = create_key(name="bot", scopes=["read"])
    for seconds, used in ((0, 0), (59, 0), (60, 60)):
        now = NOW + timedelta(seconds=seconds)
        checking._note_use(stale, now)
        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=used)


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_of_many_threads_one_writes_when_a_key_was_used(frozen_clock):
    key, token = create_key(name="bot", scopes=["read"])
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE uses (at timestamptz); "
            "CREATE FUNCTION note_use() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN INSERT INTO uses VALUES (NEW.last_used_at); RETURN NEW; END$$; "
            "CREATE TRIGGER use AFTER UPDATE ON keys_apikey FOR EACH ROW "
            "EXECUTE FUNCTION note_use()"
        )

    def use(_):
        try:
            return holder_of(RequestFactory().get("/", headers=bearer(token))).key.pk
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(use, range(40))) == {key.pk}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM uses")
            assert cursor.fetchone() == (1,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION note_use CASCADE; DROP TABLE uses")


def test_a_read_with_a_key_costs_two_statements_more(client, world, key):
    token = key("read")
    client.get(BOARD, headers=bearer(token))
    with CaptureQueriesContext(connection) as without:
        client.get(BOARD)
    with CaptureQueriesContext(connection) as with_key:
        client.get(BOARD, headers=bearer(token))
    assert len(with_key) - len(without) <= 2


# ------------------------------------------------------------------ API_KEY


@pytest.mark.parametrize(
    ("path", "is_open_by_default", "is_open_under_read_auth"),
    [
        (BOARD, True, True),
        ("/reports/models", True, True),
        ("/reports/models/summary", True, True),
        ("/reports/schema", True, True),
        ("/reports/schema/leaderboard-columns", True, True),
        ("/reports/feeds", True, True),
        ("/reports/diversity", True, True),
        ("/reports/ensemble/history", True, True),
        ("/reports/checkpoints/rewards", True, True),
        ("/info", True, True),
        ("/openapi.json", True, True),
        ("/reports/checkpoints", True, False),
        ("/reports/checkpoints/", True, False),
        ("/reports/predictions", True, False),
        ("/reports/snapshots", True, False),
        ("/data/backfill/index", True, False),
        ("/livepool/status", True, False),
        ("/reports/checkpoints/latest", False, False),
        ("/reports/checkpoints/latest/", False, False),
        ("/reports/checkpoints/CKP_1/payload", False, False),
        ("/reports/backfill/jobs", False, False),
        ("/reports/backfill/feeds", False, False),
    ],
)
def test_the_tiers_of_api_key(  # noqa: PLR0917  fixtures
    client, world, key, env, path, is_open_by_default, is_open_under_read_auth
):
    token = key("read")
    for is_closed in (False, True):
        env(api_key=LEGACY, api_read_auth=is_closed)
        is_open = is_open_under_read_auth if is_closed else is_open_by_default
        for each in (path, f"/api{path}"):
            answer = client.get(each)
            assert (answer.status_code != 401) is is_open, each
            if not is_open:
                assert answer.json() == {
                    "detail": "API key required",
                    "code": "not_authenticated",
                }
            for given in (LEGACY, token):
                answer = client.get(each, headers=bearer(given))
                assert answer.status_code in (200, 404), each


def test_without_api_key_the_tiers_are_nothing(client, world, env):
    assert client.get("/reports/checkpoints/latest").status_code == 200
    assert client.get(BOARD, headers=bearer(LEGACY)).status_code == 401
    env(api_read_auth=True)
    assert client.get(BOARD).status_code == 401


def test_the_lists_of_the_tiers_are_replaced_whole(client, world, env):
    env(
        api_key=LEGACY,
        api_public_prefixes="/reports/checkpoints/latest",
        api_admin_prefixes=" /reports/leaderboard , /api/reports/models",
    )
    assert client.get("/reports/checkpoints/latest").status_code == 200
    assert client.get("/reports/backfill/jobs").status_code == 200
    assert client.get(BOARD).status_code == 401
    assert client.get("/api/reports/models").status_code == 401


def test_api_key_may_do_all_and_stands_in_the_trail(client, world, env, db):
    env(api_key=LEGACY)
    checkpoint = world.checkpoints[0]
    answer = confirm(client, checkpoint, **{"X-API-Key": LEGACY})
    assert answer.status_code == 200
    entry = LogEntry.objects.get(object_id=str(checkpoint.pk))
    assert entry.user.username == "key.API_KEY"
    assert not entry.user.is_active


def test_no_write_is_open_however_the_tiers_are_set(client, world, env):
    env(api_key=LEGACY, api_public_prefixes="/", api_admin_prefixes="/none")
    answer = confirm(client, world.checkpoints[0])
    assert refusal(answer) == (401, "not_authenticated")
    answer = client.post("/reports/backfill", {}, content_type="application/json")
    assert refusal(answer) == (401, "not_authenticated")


@pytest.mark.parametrize("scope", ["read", "write:payouts", "write:operate", "admin"])
def test_under_api_read_auth_any_key_reads(client, world, key, env, scope):
    env(api_read_auth=True)
    token = key(scope)
    for path in (BOARD, "/livepool/status", "/", "/reports/feeds"):
        assert client.get(path, headers=bearer(token)).status_code == 200, path
    assert client.get(BOARD).status_code == 401


def test_the_environment_is_shown_without_the_key(env, settings):
    env(api_key=LEGACY)
    assert LEGACY not in repr(settings.ENV)
