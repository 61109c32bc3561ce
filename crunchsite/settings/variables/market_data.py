"""Variables of the market data: providers, subscriptions, retention."""

from typing import Annotated

from pydantic import AliasChoices, field_validator
from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import one_of, setting
from feeds.tape.records import CANDLE, SOURCES, TICK


class MarketVariables(BaseSettings):
    """Where market data comes from, and how much of it is kept."""

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
        120, "Number of newest closed candles that models receive.", ge=1
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
        False,
        "Whether records past retention are written to Parquet before they are"
        " dropped.",
    )
    backfill_data_dir: str = setting(
        "",
        "Folder of the Parquet files of past market data, beside that of the tape's "
        "days. Empty: data/backfill, below VAR_DIR where that is given.",
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

    @field_validator("feed_subjects")
    @classmethod
    def _names_some(cls, value: str) -> str:
        if not value.replace(",", "").strip():
            raise ValueError("give at least one subject, like BTCUSDT,ETHUSDT")
        return value
