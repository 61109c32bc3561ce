"""Shared options of the live pool's commands."""

from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from livepool.model import parameters
from livepool.release import build


def day(text: str) -> date:
    """Read a day like 2026-10-31; raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"was {text!r}; give a day like 2026-10-31") from None


def add_inputs(parser: CommandParser) -> None:
    """Add the options of every build: which universe, which day, which files."""
    parser.add_argument(
        *("--mode", "--universe-mode"),
        dest="universe_mode",
        choices=tuple(parameters.PROFILES),
        help="Which coins may enter (default: PUBLISH_MODE).",
    )
    parser.add_argument(
        *("--as-of", "--as-of-date"),
        dest="as_of_date",
        type=day,
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


def add_allow_stale(parser: CommandParser) -> None:
    parser.add_argument(
        "--allow-stale",
        action="store_true",
        help="Accept a pool that is older than the limit.",
    )


def add_output(parser: CommandParser) -> None:
    parser.add_argument(
        "--output-dir", type=Path, help="Folder (default: LIVEPOOL_OUTPUT_DIR)."
    )


def inputs(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `add_inputs` as arguments of `build.panel`."""
    return {
        "mode": options["universe_mode"],
        "as_of": options["as_of_date"],
        "parquet": options["candles"],
        "metadata": options["metadata"],
    }


def folder_of(options: dict[str, Any]) -> Path:
    folder: Path | None = options["output_dir"]
    return folder or build.output_dir()


def build_from(options: dict[str, Any]) -> Any:
    """Build as the options say; return the ranking."""
    return build.build(
        **inputs(options),
        folder=options["output_dir"],
        allow_stale=options["allow_stale"],
    )
