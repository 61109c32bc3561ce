from pathlib import Path

import pytest
from pydantic import AfterValidator

from crunchsite.settings import env, env_names
from crunchsite.settings.base import _database
from crunchsite.settings.env import EnvError, read_env
from crunchsite.settings.example import example
from crunchsite.settings.secret import kept_secret, secret_key
from crunchsite.settings.server_urls import broker, database
from feeds.providers import sources
from feeds.tape.records import SOURCES

ROOT = Path(__file__).resolve().parents[2]
LIMITS = (
    *("connect_timeout", "tcp_user_timeout"),
    *("keepalives_idle", "keepalives_interval", "keepalives_count"),
)


def test_the_example_lists_every_variable_with_its_default():
    assert (ROOT / ".env.example").read_text() == example()


def test_a_bad_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(env.EnvError, match=r"PORT was 'http': give a whole number"):
        env.read_env()


CHOICES = {
    "FEED_SOURCE": "binance, pyth, replay, simulated",
    "FEED_KIND": "candle, tick",
    "LIVEPOOL_SOURCE": "binance, pyth, replay, simulated",
    "PUBLISH_MODE": "core_major, broad_liquid",
    "LOG_LEVEL": "DEBUG, INFO, WARNING, ERROR",
}


@pytest.mark.parametrize("wrong", ["nope", " ", "core_major,broad_liquid", "1"])
@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_there_is_not_is_refused_with_those_there_are(
    monkeypatch, name, wrong
):
    monkeypatch.setenv(name, wrong)
    with pytest.raises(EnvError) as refused:
        env.read_env()
    assert str(refused.value) == (
        f"{name} was {wrong!r}: give one of {CHOICES[name]}. "
        "Correct the environment or .env."
    )


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_taken_in_any_case_of_letters(monkeypatch, name):
    for choice in CHOICES[name].split(", "):
        for spelled in (choice.upper(), f" {choice.title()} "):
            monkeypatch.setenv(name, spelled)
            assert getattr(env.read_env(), name.lower()) == choice


def test_every_setting_whose_meaning_lists_choices_is_held_to_them():
    held = {
        name.upper()
        for name, field in env.Env.model_fields.items()
        if any(isinstance(rule, AfterValidator) for rule in field.metadata)
    }
    assert held == set(CHOICES)


def test_every_source_is_a_provider():
    assert [sources.create(name).name for name in SOURCES if name != "replay"] == [
        name for name in SOURCES if name != "replay"
    ]
    assert sources.names() == list(SOURCES)


@pytest.mark.parametrize("wrong", ["0", "-60", "1.5", "soon"])
def test_a_cadence_is_a_positive_number_of_seconds(monkeypatch, wrong):
    monkeypatch.setenv("CHECKPOINT_INTERVAL_SECONDS", wrong)
    with pytest.raises(EnvError, match="CHECKPOINT_INTERVAL_SECONDS was"):
        env.read_env()
    monkeypatch.setenv("CHECKPOINT_INTERVAL_SECONDS", "900")
    assert env.read_env().checkpoint_interval_seconds == 900


@pytest.mark.parametrize("wrong", [",", " , "])
def test_subjects_that_name_none_are_refused(monkeypatch, wrong):
    monkeypatch.setenv("FEED_SUBJECTS", wrong)
    with pytest.raises(EnvError, match=r"FEED_SUBJECTS was .* give at least one"):
        env.read_env()


def test_an_empty_variable_means_its_default(monkeypatch):
    monkeypatch.setenv("PORT", "")
    assert env.read_env().port == 8000


def test_subjects_are_a_list_without_blanks(monkeypatch):
    monkeypatch.setenv("FEED_SUBJECTS", "BTCUSDT, ,ETHUSDT")
    assert env.read_env().subjects == ("BTCUSDT", "ETHUSDT")


def test_both_vocabularies_of_a_feed_are_understood(monkeypatch):
    monkeypatch.setenv("FEED_PROVIDER", "Binance")
    monkeypatch.setenv("FEED_ASSETS", "ETHUSDT")
    read = env.read_env()
    assert (read.feed_source, read.subjects) == ("binance", ("ETHUSDT",))


@pytest.mark.parametrize(
    ("name", "field", "text", "value"),
    [
        ("MODEL_RUNNER_TIMEOUT_SECONDS", "model_runner_timeout_s", "60", 60.0),
        ("FEED_POLL_SECONDS", "feed_poll_s", "2", 2.0),
        ("FEED_OPT_POLL_SECONDS", "feed_poll_s", "2", 2.0),
        ("MARKET_RECORD_TTL_DAYS", "feed_record_ttl_days", "30", 30),
        ("GCP_PROJECT_ID", "cloud_project_id", "crunch", "crunch"),
        ("GCS_BUCKET", "cloud_bucket", "pool", "pool"),
    ],
)
def test_the_seeds_names_are_read_too(monkeypatch, name, field, text, value):
    monkeypatch.setenv(name, text)
    assert getattr(env.read_env(), field) == value
    monkeypatch.setenv(field.upper(), "7")
    assert str(getattr(env.read_env(), field)) in ("7", "7.0")  # our own name wins


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("FEED_SUBJECT", "do you mean FEED_SUBJECTS?"),
        ("FEED_POLL_SECOND", "do you mean FEED_POLL_SECONDS?"),
        ("feed_granularty", "do you mean FEED_GRANULARITY?"),
        ("FEED_RETENTION_CHECK_SECONDS", "what is past retention is dropped each hour"),
        (
            "SCORE_INTERVAL_SECONDS",
            "set the score interval on the competition's page",
        ),
    ],
)
def test_a_name_that_is_not_read_is_told_of_with_the_near_one(name, advice):
    assert env_names.unread_names([name]) == {name: advice}


def test_names_of_others_and_names_that_are_read_are_passed_over():
    others = ["PATH", "HOME", "LANG", "PGPORT", "HOSTNAME", "SECRETS", "LOG", "PWD"]
    read = [name.upper() for name in env_names.known_names()]
    assert env_names.unread_names([*others, *read]) == {}


def test_a_site_with_a_folder_of_its_own_has_its_market_data_there(
    tmp_path, monkeypatch
):
    """Else two sites of one project would serve one another's prices."""
    monkeypatch.delenv("VAR_DIR", raising=False)

    def folder(**given):
        return env.Env(_env_file=None, **given).backfill_dir

    assert folder() == env.SITE_DIR / "data" / "backfill"
    assert folder(var_dir=tmp_path) == tmp_path / "data" / "backfill"
    assert folder(var_dir=tmp_path, backfill_data_dir="x") == env.SITE_DIR / "x"


def test_a_database_address_becomes_djangos_entry():
    entry = database("postgresql://u%40x:p%2Fw@db.example:5433/crunch?sslmode=require")
    assert (entry["USER"], entry["PASSWORD"]) == ("u@x", "p/w")
    assert (entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "db.example",
        "5433",
        "crunch",
    )
    assert entry["OPTIONS"] == {"sslmode": "require"}


def test_nobody_waits_for_a_database_server_that_is_gone_unless_its_address_says_so():
    """libpq's own limits are two hours of silence, and none to connect."""
    entry = _database("DATABASE_URL", "postgresql://db.example/x?connect_timeout=90")
    limits = {name: int(entry["OPTIONS"][name]) for name in LIMITS}
    assert limits.pop("connect_timeout") == 90
    assert limits.pop("tcp_user_timeout") <= 30_000  # milliseconds
    idle_s, interval_s, count = limits.values()
    assert idle_s + interval_s * count <= 30
    usual = _database("DATABASE_URL", "postgresql://db.example/x")
    assert usual["OPTIONS"]["connect_timeout"] < 30


def test_another_database_is_refused():
    with pytest.raises(ValueError, match="was 'mysql'://"):
        database("mysql://localhost/x")


def test_a_password_that_ends_the_address_is_explained_and_not_shown():
    with pytest.raises(ValueError, match="in a password write / as %2F") as refused:
        database("postgresql://crunchsite:hush/c+d=@postgres/crunchsite")
    assert "hush" not in str(refused.value)


def test_the_broker_gets_kombus_spelling_of_a_socket():
    assert (
        broker("unix:///run/v.sock?db=2") == "redis+socket:///run/v.sock?virtual_host=2"
    )
    assert broker("redis://h:1/0") == "redis://h:1/0"


def test_a_kept_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "var" / "key"
    assert kept_secret(path) == kept_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(kept_secret(path)) > 40


@pytest.mark.parametrize("key", ["abc", "a" * 60, "ab" * 30, "x1" * 24])
def test_a_secret_key_that_can_be_guessed_is_refused(key):
    env = read_env().model_copy(update={"secret_key": key})
    with pytest.raises(EnvError, match=r"SECRET_KEY was \d+ characters"):
        secret_key(env)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("PORT", "abc", "PORT was 'abc': give a whole number"),
        ("CLOCK_SPEED", "fast", "CLOCK_SPEED was 'fast': give a number"),
        ("API_READ_AUTH", "perhaps", "API_READ_AUTH was 'perhaps': give true or false"),
    ],
)
def test_what_is_no_number_is_refused_in_plain_words(monkeypatch, name, value, advice):
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvError, match=advice):
        read_env()


def test_an_authority_of_time_stamps_has_an_address_and_certificates(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("LOG_TIMESTAMP_URL", "ftp://tsa.example.org")
    with pytest.raises(EnvError, match=r"LOG_TIMESTAMP_URL was 'ftp://tsa.example.org"):
        read_env()
    monkeypatch.setenv("LOG_TIMESTAMP_URL", "https://tsa.example.org")
    with pytest.raises(EnvError, match=r"LOG_TIMESTAMP_CA was '': name the file with"):
        read_env()
    file = tmp_path / "tsa.pem"
    file.touch()
    monkeypatch.setenv("LOG_TIMESTAMP_CA", str(file))
    assert read_env().log_timestamp_ca == str(file)


def test_a_kept_password_is_as_long_as_it_is_shown(tmp_path):
    assert len(kept_secret(tmp_path / "admin_password", length=16)) == 16
