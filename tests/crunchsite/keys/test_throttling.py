"""Token buckets over a real Valkey. A token comes every 20 s at the least."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from crunchsite.keys import throttling
from crunchsite.keys.buckets import Buckets
from crunchsite.settings.env import EnvError, read_env
from tests.crunchsite.keys.conftest import bearer

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

BOARD = "/reports/leaderboard"
HEADERS = {"RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "Retry-After"}


@pytest.fixture
def valkey(settings):
    """Valkey without buckets, before and after."""
    client = Redis.from_url(settings.REDIS_URL)

    def empty():
        for name in client.keys("crunchsite-rate:*"):
            client.delete(name)

    empty()
    yield client
    empty()
    client.close()


@pytest.fixture
def rate(settings, valkey):
    """Set the limits: `rate(address=3, key=2)`, each a minute."""

    def change(*, address=0, key=0):
        settings.ENV = settings.ENV.model_copy(
            update={"api_rate_per_address": address, "api_rate_per_key": key}
        )

    return change


def ask(client, **options) -> tuple[int, str | None]:
    answer = client.get(BOARD, **options)
    return answer.status_code, answer.get("RateLimit-Remaining")


def test_an_address_has_so_many_requests_a_minute(client, world, rate):
    rate(address=3)
    assert [ask(client) for _ in range(3)] == [(200, "2"), (200, "1"), (200, "0")]
    answer = client.get(BOARD)
    assert answer.status_code == 429
    assert answer.json()["code"] == "throttled"
    assert answer["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert answer["RateLimit-Limit"] == "3"
    assert answer["RateLimit-Remaining"] == "0"
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert 40 < int(answer["RateLimit-Reset"]) <= 60
    assert answer["RateLimit"] == f'"minute";r=0;t={answer["RateLimit-Reset"]}'


def test_who_asks_for_no_data_is_never_too_often(client, world, rate):
    rate(address=1)
    for path in ("/healthz", "/info", "/admin/login/"):
        for _ in range(3):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "RateLimit" not in answer
    assert ask(client) == (200, "0")


def test_a_page_says_it_to_a_person(client, world, rate):
    rate(address=1)
    assert client.get("/").status_code == 200
    answer = client.get("/")
    assert answer.status_code == 429
    assert answer["Content-Type"].startswith("text/plain")
    assert "Retry-After" in answer


def test_each_address_and_each_key_has_its_own(client, world, rate, key):
    rate(address=1, key=2)
    one, two = key("read"), key("read")
    assert ask(client) == (200, "0")
    assert ask(client)[0] == 429
    assert ask(client, REMOTE_ADDR="192.0.2.7") == (200, "0")
    assert ask(client, headers=bearer(one)) == (200, "1")
    assert ask(client, headers=bearer(one)) == (200, "0")
    assert ask(client, headers=bearer(one), REMOTE_ADDR="192.0.2.9")[0] == 429
    assert ask(client, headers=bearer(two)) == (200, "1")


@pytest.mark.parametrize(
    ("one", "two", "is_shared"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_an_ipv6_network_of_one_customer_is_one_address(  # noqa: PLR0917  fixtures
    client, world, rate, one, two, is_shared
):
    rate(address=1)
    assert ask(client, REMOTE_ADDR=one)[0] == 200
    assert ask(client, REMOTE_ADDR=two)[0] == (429 if is_shared else 200)


def test_guessing_keys_costs_the_address_its_tokens(client, world, rate):
    rate(address=2)
    wrong = [ask(client, headers=bearer("none"))[0] for _ in range(3)]
    assert wrong == [401, 401, 429]
    assert ask(client, headers={"X-API-Key": "csk_none"})[0] == 429
    assert client.get(BOARD, {"api_key": "x"}).status_code == 429


def test_a_bucket_fills_evenly_and_not_over(valkey):
    buckets = Buckets()
    name = "crunchsite-rate:x"
    for _ in range(3):
        buckets.take("x", per_minute=3)
    assert not buckets.take("x", per_minute=3).is_taken
    for passed_s, tokens in ((40, 2), (600, 3)):
        at = float(valkey.hget(name, "at")) - passed_s
        valkey.hset(name, mapping={"tokens": "0", "at": str(at)})
        standing = buckets.take("x", per_minute=3)
        assert standing.is_taken
        assert tokens - 1 <= standing.tokens < tokens
    assert 0 < valkey.ttl(name) <= 61


def test_a_clock_that_goes_back_takes_no_token_and_gives_none(valkey):
    buckets = Buckets()
    buckets.take("x", per_minute=3)
    at = float(valkey.hget("crunchsite-rate:x", "at")) + 3600
    valkey.hset("crunchsite-rate:x", "at", str(at))
    assert buckets.take("x", per_minute=3).remaining == 1
    assert float(valkey.hget("crunchsite-rate:x", "at")) < at


def test_many_threads_take_no_more_than_there_is(valkey):
    buckets = Buckets()
    with ThreadPoolExecutor(8) as pool:
        taken = list(
            pool.map(lambda _: buckets.take("x", per_minute=3).is_taken, range(24))
        )
    assert 3 <= sum(taken) <= 4  # one more, should this have taken 20 s


def test_without_valkey_requests_pass_and_one_line_says_so(  # noqa: PLR0917  fixtures
    client, world, rate, settings, monkeypatch, caplog
):
    rate(address=1)
    monkeypatch.setattr(throttling, "BUCKETS", Buckets())
    right, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    for _ in range(3):
        answer = client.get(BOARD)
        assert answer.status_code == 200
        assert not HEADERS & set(answer.headers)
    assert caplog.text.count("rate.unlimited") == 1
    settings.REDIS_URL = right
    monkeypatch.setattr(throttling.BUCKETS, "_asked_again_at", 0.0)
    assert ask(client) == (200, "0")
    assert ask(client)[0] == 429
    assert caplog.text.count("rate.unlimited") == 1


# ------------------------------------------------------------------ other sites' pages

ORIGIN = "https://board.example.org"


def preflight(client, path=BOARD, origin=ORIGIN):
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, x-api-key",
        },
    )


def test_a_preflight_is_answered_without_a_key(client, world, settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.ENV = settings.ENV.model_copy(
        update={"api_key": "legacy", "api_read_auth": True}
    )
    for path in (BOARD, "/reports/checkpoints/CKP_1/confirm", "/reports/backfill"):
        answer = preflight(client, path)
        assert answer.status_code == 200
        assert answer["Access-Control-Allow-Origin"] == ORIGIN
        assert "x-api-key" in answer["Access-Control-Allow-Headers"]
        assert "authorization" in answer["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer
    refused = client.get("/reports/predictions", headers={"Origin": ORIGIN})
    assert refused.status_code == 401
    assert refused["Access-Control-Allow-Origin"] == ORIGIN


def test_no_origin_is_let_in_that_no_setting_names(client, world, settings):
    assert "Access-Control-Allow-Origin" not in preflight(client)
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    for origin in (f"{ORIGIN}.evil.example", "null", "http://board.example.org"):
        answer = preflight(client, origin=origin)
        assert "Access-Control-Allow-Origin" not in answer, origin
    settings.CORS_ALLOW_ALL_ORIGINS = True
    answer = client.get(BOARD, headers={"Origin": "https://any.example"})
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer
    answer = client.get("/admin/login/", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize(
    "origins",
    ["board.example.org", "https://a.example/path", "https://a.example,x", "ftp://a"],
)
def test_what_is_no_origin_is_refused_by_its_name(monkeypatch, origins):
    monkeypatch.setenv("API_CORS_ORIGINS", origins)
    with pytest.raises(EnvError, match="API_CORS_ORIGINS was"):
        read_env()


def test_origins_are_a_list(monkeypatch):
    monkeypatch.setenv("API_CORS_ORIGINS", "https://a.example, http://localhost:5173")
    assert read_env().cors_origins == ("https://a.example", "http://localhost:5173")
