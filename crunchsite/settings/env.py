"""Every environment variable of crunchsite, typed, read once.

`python -m crunchsite.settings.env` prints `.env.example` from these fields.
"""

import os
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from core.errors import OperatorError
from feeds.tape.records import CANDLE, SOURCES, TICK
from livepool.model.parameters import DEFAULT_MODE, PROFILES

BASE_DIR = Path(__file__).resolve().parent.parent.parent
# Modules and packages that wirings may name beside CALLABLE_PACKAGES.
OWN_CALLABLES: tuple[str, ...] = (
    "competitions.contract",
    "competitions.defaults",
    "competitions.packs",
    "scoring.metrics",
)


def one_of(*choices: str) -> AfterValidator:
    """Take one of `choices` in any case of letters; refuse all else, naming them."""

    def chosen(value: str) -> str:
        for choice in choices:
            if choice.lower() == value.strip().lower():
                return choice
        if not value:  # the default of a setting that need not be chosen
            return value
        raise ValueError(f"give one of {', '.join(choices)}")

    return AfterValidator(chosen)


def setting(default: Any, description: str, **constraints: Any) -> Any:
    return Field(default=default, description=description, **constraints)


def _networks(names: str) -> list[IPv4Network | IPv6Network]:
    """The networks that are named; raises ValueError for what is none."""
    return [ip_network(name.strip()) for name in names.split(",") if name.strip()]


class Env(BaseSettings):
    """The site's configuration; an unknown value is an error that names it."""

    model_config = SettingsConfigDict(
        env_file=BASE_DIR / ".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    # Parts of the stack: empty means the embedded one of `manage.py up`.
    database_url: str = setting(
        "",
        "PostgreSQL 15 or newer, postgresql://user:password@host:port/name. "
        "Empty: the embedded server under VAR_DIR.",
    )
    tape_database_url: str = setting(
        "", "PostgreSQL of the tape. Empty: the same as DATABASE_URL."
    )
    redis_url: str = setting(
        "",
        "Redis or Valkey, redis://host:port/0. Empty: the embedded server.",
    )
    model_runner_node_host: str = setting(
        "",
        "Host of the model orchestrator, or the path of its unix socket. Empty: the "
        "embedded local models.",
    )
    model_runner_node_port: int = setting(
        9091, "WebSocket port of the model orchestrator."
    )
    model_runner_timeout_s: float = setting(
        5.0,
        "Wall-clock limit of one call to a model, in seconds.",
        gt=0,
        validation_alias=AliasChoices(
            "model_runner_timeout_s", "model_runner_timeout_seconds"
        ),
    )
    secure_cert_dir: str = setting(
        "",
        "Folder with ca.crt, tls.crt and tls.key for models' nodes that ask for "
        "mutual TLS. Empty: plain connections.",
    )
    gateway_cert_dir: str = setting(
        "",
        "Folder with tls.crt and tls.key for models behind a TLS gateway that asks "
        "for signed tokens. Not together with SECURE_CERT_DIR.",
    )
    model_base_classname: str = setting(
        "tracker.TrackerBase", "Base class that a participant's model derives from."
    )
    local_models_dir: str = setting(
        "",
        "Folder of the embedded models: one sub-folder each. Empty: models below "
        "VAR_DIR, which begins with the examples.",
    )
    local_models_competition: str = setting(
        "btc-demo", "Slug of the competition that they take part in."
    )
    local_models_level: int = setting(
        2,
        "Sandbox of the embedded models. 1, for machines without namespaces, leaves "
        "the network and readable files open to them.",
        ge=1,
        le=2,
    )
    port: int = setting(8000, "Port of the site.", ge=1, le=65535)
    var_dir: Path = setting(
        Path("var"), "Data, sockets and logs of the embedded parts."
    )

    # Market data
    feed_source: Annotated[str, one_of(*SOURCES)] = setting(
        "simulated",
        "Provider of market data: simulated, replay, binance or pyth.",
        validation_alias=AliasChoices("feed_source", "feed_provider"),
    )
    feed_subjects: str = setting(
        "BTCUSDT",
        "Subjects of the feed, comma separated; a new competition asks about each. "
        "Not set: the pack's.",
        validation_alias=AliasChoices("feed_subjects", "feed_assets"),
    )
    feed_kind: Annotated[str, one_of(CANDLE, TICK)] = setting(
        "", "Kind of feed record: candle or tick. Empty: the pack's."
    )
    feed_granularity: str = setting(
        "", "Granularity of the feed, for example 1s or 1m. Empty: the pack's."
    )
    feed_poll_s: float = setting(
        5.0,
        "Seconds between two pulls of a subscription.",
        gt=0,
        validation_alias=AliasChoices(
            "feed_poll_s", "feed_poll_seconds", "feed_opt_poll_seconds"
        ),
    )
    feed_backfill_minutes: int = setting(
        180, "History that a new subscription pulls first, in minutes.", ge=1
    )
    feed_candles_window: int = setting(
        120, "Newest closed candles shown to the models.", ge=1
    )
    feed_record_ttl_days: int = setting(
        90,
        "Days that the tape keeps records, by event time. "
        "Candles of a day or longer stay for good.",
        ge=1,
        validation_alias=AliasChoices("feed_record_ttl_days", "market_record_ttl_days"),
    )
    feed_replay_path: str = setting(
        "", "Parquet or CSV file of candles for FEED_SOURCE=replay."
    )
    feed_seed: int = setting(7, "Seed of the simulated exchange.")
    feed_prune_export: bool = setting(
        False, "Whether months past retention are written to Parquet before they go."
    )
    backfill_data_dir: Path = setting(
        Path("data/backfill"), "Folder of the Parquet files of past market data."
    )
    binance_api_url: str = setting(
        "https://api.binance.com/api", "Base URL of Binance's REST API."
    )
    binance_futures_url: str = setting(
        "https://fapi.binance.com/fapi", "Base URL of Binance's futures, for funding."
    )
    binance_stream_url: str = setting(
        "wss://stream.binance.com:9443/", "Base URL of Binance's streams."
    )
    pyth_api_url: str = setting(
        "https://hermes.pyth.network", "Base URL of Pyth prices (Hermes)."
    )
    pyth_api_key: str = setting("", "Bearer key for PYTH_API_URL.")

    # Time
    clock_speed: float = setting(
        1.0, "How fast the site's clock runs; 60 plays an hour in a minute.", gt=0
    )
    clock_start: str = setting(
        "",
        "Instant (ISO 8601, UTC) at which the site's clock starts. Empty: the wall's "
        "time, or the first candle of FEED_REPLAY_PATH.",
    )
    clock_anchor: str = setting(
        "", "Wall instant at which the clock showed CLOCK_START; set by `manage.py up`."
    )

    # Competition
    demo_pack: str = setting(
        "", "Pack of the demo competition. Empty: realtime, or baseline for a replay."
    )
    callable_packages: str = setting(
        "runtime_definitions",
        "Packages, comma separated, that contracts and callables may come from, beside "
        "the project's own.",
    )
    checkpoint_interval_seconds: int | None = setting(
        None,
        "Cadence of a new competition, in seconds: how often it is scored. Empty: the "
        "pack's.",
        ge=1,
    )
    crunch_config_module: str = setting(
        "",
        "The contract, module:attribute. Empty: runtime_definitions, else default. "
        "CONTRACT_MODULE is the same.",
        validation_alias=AliasChoices("crunch_config_module", "contract_module"),
    )
    crunch_pubkey: str = setting("", "Public key of the crunch, for emissions.")
    network: str = setting("devnet", "Chain that emissions are meant for.")
    compute_provider_pubkey: str = setting("", "Wallet of the compute provider.")
    data_provider_pubkey: str = setting("", "Wallet of the data provider.")
    inference_input_builder: str = setting("", "Callable slot, module:callable.")
    inference_output_validator: str = setting("", "Callable slot, module:callable.")
    scoring_function: str = setting("", "Callable slot, module:callable.")
    model_score_aggregator: str = setting("", "Callable slot, module:callable.")
    report_schema_provider: str = setting("", "Callable slot, module:callable.")
    leaderboard_ranker: str = setting("", "Callable slot, module:callable.")
    raw_input_provider: str = setting("", "Callable slot, module:callable.")
    ground_truth_resolver: str = setting("", "Callable slot, module:callable.")
    prediction_scope_builder: str = setting("", "Callable slot, module:callable.")
    predict_call_builder: str = setting("", "Callable slot, module:callable.")

    # Live pool
    publish_enabled: bool = setting(
        False,
        "Whether releases are published and their daily candles subscribed; if not, "
        "every run is a dry run. `manage.py up` turns it on for the local store.",
    )
    publish_mode: Annotated[str, one_of(*PROFILES)] = setting(
        DEFAULT_MODE, "Profile of the published pool: core_major or broad_liquid."
    )
    livepool_source: Annotated[str, one_of(*SOURCES)] = setting(
        "", "Feed source of the daily candles. Empty: FEED_SOURCE."
    )
    livepool_excluded_symbols: str = setting(
        "", "Symbols that never enter the pool, comma separated, like JUPUSDT."
    )
    livepool_output_dir: Path = setting(
        Path("data/output"), "Folder in which releases and shadow histories are built."
    )
    livepool_store_dir: str = setting(
        "",
        "Folder of the local store; unused with CLOUD_BUCKET. Empty: livepool below "
        "VAR_DIR.",
    )
    livepool_signing_key_file: str = setting(
        "", "Ed25519 private key (PEM) that signs releases. Empty: not signed."
    )
    cloud_bucket: str = setting(
        "",
        "Google Cloud Storage bucket of the releases. Empty: the local store.",
        validation_alias=AliasChoices("cloud_bucket", "gcs_bucket"),
    )
    cloud_project_id: str = setting(
        "",
        "Google Cloud project of the stores.",
        validation_alias=AliasChoices("cloud_project_id", "gcp_project_id"),
    )
    firestore_collection: str = setting(
        "strategy", "Collection of the live pool's summary document."
    )
    firestore_document: str = setting(
        "CRYPTO_LIVE_POOL_ROTATION_LIVE_POOL", "Name of the summary document."
    )

    # Site
    secret_key: str = setting(
        "", "Django's secret key. Empty: made once and kept under VAR_DIR."
    )
    allowed_hosts: str = setting("localhost,127.0.0.1", "Host names of the site.")
    security_contact: str = setting(
        "",
        "Where to report a vulnerability, mailto:... or https://..., for "
        "/.well-known/security.txt. Empty: there is none.",
    )
    api_read_auth: bool = setting(
        False,
        "Whether operators and keys alone read: API, pages and downloads.",
    )
    api_key: str = setting(
        "",
        "One key that may do all, as older coordinators know it; it turns on the two "
        "lists below. Empty: none. Better: `manage.py key create`.",
        repr=False,
    )
    api_public_prefixes: str = setting(
        "/healthz,/info,/docs,/redoc,/openapi.json,/schema,/reports/schema,"
        "/reports/leaderboard,/reports/models,/reports/feeds,/reports/diversity,"
        "/reports/ensemble,/reports/checkpoints/rewards",
        "With API_KEY: how paths begin that anybody reads, comma separated.",
    )
    api_admin_prefixes: str = setting(
        "/reports/backfill,/reports/checkpoints/,/custom",
        "With API_KEY: how other paths begin that need a key or a session to be read. "
        "For the rest API_READ_AUTH says so.",
    )
    api_routes_dir: str = setting(
        "api", "Folder of your own endpoints: each .py file in it is one."
    )
    api_routes: str = setting(
        "", "More of them, comma separated: module, or module:router."
    )
    api_rate_per_address: int = setting(
        600,
        "Requests a minute from one network address without a key, API and pages; 0: "
        "no limit.",
        ge=0,
        le=1_000_000,
    )
    api_rate_per_key: int = setting(
        1200, "Requests a minute with one key; 0: no limit.", ge=0, le=1_000_000
    )
    api_cors_origins: str = setting(
        "",
        "Origins whose pages may read the API in a browser, comma separated, like "
        "https://board.example.org; * is every one. Empty: none.",
    )
    metrics_open: bool = setting(
        False, "Whether anybody reads /metrics; else it takes a read key or a session."
    )
    event_retention_days: int = setting(
        30, "Days that events and their deliveries are kept.", ge=1
    )
    webhook_networks: str = setting(
        "",
        "Private networks that webhooks may go to, comma separated, like 10.1.0.0/16. "
        "Empty: public addresses alone.",
    )
    log_level: Annotated[str, one_of("DEBUG", "INFO", "WARNING", "ERROR")] = setting(
        "INFO", "Lowest level that is logged."
    )

    @field_validator("feed_subjects")
    @classmethod
    def _names_some(cls, value: str) -> str:
        if not value.replace(",", "").strip():
            raise ValueError("give at least one subject, like BTCUSDT,ETHUSDT")
        return value

    @field_validator("api_cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin != "*" and not re.fullmatch(r"https?://[^/?#\s@]+", origin):
                raise ValueError(
                    "give origins like https://board.example.org, without a path, or *"
                )
        return value

    @property
    def cors_origins(self) -> tuple[str, ...]:
        return _listed(self.api_cors_origins)

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @property
    def receiver_networks(self) -> list[IPv4Network | IPv6Network]:
        return _networks(self.webhook_networks)

    @property
    def var(self) -> Path:
        return (BASE_DIR / self.var_dir).resolve()

    @property
    def models_dir(self) -> Path:
        return BASE_DIR / (self.local_models_dir or self.var / "models")

    @property
    def excluded_symbols(self) -> frozenset[str]:
        return frozenset(map(str.upper, _listed(self.livepool_excluded_symbols)))

    @property
    def pool_store_dir(self) -> Path:
        return BASE_DIR / (self.livepool_store_dir or self.var / "livepool")

    @property
    def packages(self) -> tuple[str, ...]:
        return _listed(self.callable_packages)

    @property
    def public_prefixes(self) -> tuple[str, ...]:
        return _listed(self.api_public_prefixes)

    @property
    def admin_prefixes(self) -> tuple[str, ...]:
        return _listed(self.api_admin_prefixes)

    @property
    def subjects(self) -> tuple[str, ...]:
        return _listed(self.feed_subjects)

    @property
    def chosen_subjects(self) -> tuple[str, ...]:
        """The subjects that somebody has set; none when it is the default."""
        return self.subjects if "feed_subjects" in self.model_fields_set else ()


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a comma separated list, without blanks."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


_KINDS = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
}


def _advice(error: ErrorDetails) -> str:
    """What to give instead, by our own check or by pydantic's."""
    if error["type"] in _KINDS:
        return f"give {_KINDS[error['type']]}"
    ours = error.get("ctx", {}).get("error")
    return str(ours) if ours else error["msg"][0].lower() + error["msg"][1:]


class EnvError(OperatorError):
    """A variable has a value that cannot be used."""

    code = "environment_invalid"


def read_env() -> Env:
    """Read and check the environment; raises EnvError naming each bad variable."""
    try:
        return Env()
    except ValidationError as error:
        problems = "; ".join(
            f"{str(e['loc'][0]).upper()} was {e['input']!r}: {_advice(e)}"
            for e in error.errors()
        )
        raise EnvError(f"{problems}. Correct the environment or .env.") from None


# Names that other coordinators read and this one does not: what to do instead.
_REPLACED = {
    "score_interval_seconds": "set the score interval on the competition's page",
    "feed_retention_check_seconds": "what is past retention is dropped each hour",
    "market_retention_check_seconds": "what is past retention is dropped each hour",
    "feed_opt_hermes_url": "set PYTH_API_URL",
}
_LIKENESS = 0.84


def known_names() -> set[str]:
    """Every name that is read, other spellings of a variable included; lower case."""
    names = set(Env.model_fields)
    for field in Env.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(name) for name in field.validation_alias.choices}
    return names


def unread_names(environ: Iterable[str]) -> dict[str, str]:
    """Names that look like one of ours and are not read; with what to do instead."""
    known = known_names()
    unread: dict[str, str] = {}
    for name in environ:
        lower = name.lower()
        if lower in known:
            continue
        near = get_close_matches(lower, known, n=1, cutoff=_LIKENESS)
        if lower in _REPLACED:
            unread[name] = _REPLACED[lower]
        elif near:
            unread[name] = f"do you mean {near[0].upper()}?"
    return unread


def given_names() -> list[str]:
    """The names in the environment and in .env."""
    in_file = DotEnvSettingsSource(Env).env_vars
    return sorted({*os.environ, *(name.upper() for name in in_file)})  # noqa: TID251  this is where it is read


def example() -> str:
    """Render `.env.example`: each variable with its meaning and default."""
    lines = ["# Copy to .env and change what you need; every line is optional.", ""]
    for name, field in Env.model_fields.items():
        default = "" if field.default is None else field.default
        default = "false" if default is False else default
        lines += [f"# {field.description}", f"#{name.upper()}={default}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(example())
