"""What the commands of the live pool have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from livepool import build, config
from livepool.contract import ContractError
from livepool.errors import LivePoolError
from livepool.features import FeatureError
from livepool.pipeline import BuildError
from livepool.signing import SigningKeyError
from livepool.stores import StoreError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what an operator can mend into one line and exit code 1."""
    try:
        yield
    except (
        *(LivePoolError, ContractError, StoreError),
        *(BuildError, FeatureError, SigningKeyError),
    ) as error:
        raise CommandError(str(error)) from error


def add_build_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        *("--mode", "--universe-mode"),
        choices=tuple(config.PROFILES),
        help="Profile (default: PUBLISH_MODE).",
    )
    parser.add_argument(
        *("--as-of", "--as-of-date"),
        dest="as_of",
        type=date.fromisoformat,
        help="UTC day to rank (default: the last complete one).",
    )
    parser.add_argument(
        "--candles", type=Path, help="Parquet file of daily candles, not the tape."
    )
    parser.add_argument(
        "--metadata",
        type=Path,
        help="CSV of symbol, status, base_asset, quote_asset, is_spot_trading_allowed.",
    )
    add_output(parser)
    parser.add_argument(
        "--allow-stale", action="store_true", help="Accept a pool beyond its age."
    )


def add_output(parser: CommandParser) -> None:
    parser.add_argument(
        "--output-dir", type=Path, help="Folder (default: LIVEPOOL_OUTPUT_DIR)."
    )


def build_from(options: dict[str, Any]) -> Any:
    """Build as the common arguments say; returns the ranking."""
    import polars as pl

    return build.build(
        mode=options["mode"],
        as_of=options["as_of"],
        parquet=options["candles"],
        metadata=pl.read_csv(options["metadata"]) if options["metadata"] else None,
        folder=options["output_dir"],
        allow_stale=options["allow_stale"],
    )
