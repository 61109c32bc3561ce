"""What is sent to the models."""

from typing import Any


def build_input(raw_input: dict[str, Any]) -> dict[str, Any]:
    """Return what models are sent, from the newest market data.

    `raw_input`: `symbol`, `asof_ts`, and `candles_1m` or `ticks`, oldest first.
    """
    # TODO: add or leave out what your models should see. This sends all of it.
    return raw_input
