"""What a model's answer orders, by the mode of its competition."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from .trading_rules import SignalMode

_SIDES = {"buy": 1, "sell": -1, "long": 1, "short": -1}


def ordered_size(mode: SignalMode, output: Mapping[str, Any], held: Decimal) -> Decimal:
    """Return the signed size to trade: above 0 buys, below 0 sells, 0 does nothing.

    order: `action` (buy, sell) and `amount`; delta: `direction` (long, short) and
    `leverage`; target: `signal`, the signed size to hold, of which `held` is there
    already. Raises ValueError for an answer that is none of its mode.
    """
    if mode == "target":
        return _number(output, "signal", mode) - held
    side_key, size_key = (
        ("action", "amount") if mode == "order" else ("direction", "leverage")
    )
    side = _SIDES.get(str(output.get(side_key)))
    size = _number(output, size_key, mode)
    if side is None or size < 0:
        raise ValueError(
            f"{mode.title()} mode requires {side_key} and {size_key} of 0 or more;"
            f" they were {output.get(side_key)!r} and {output.get(size_key)!r}"
        )
    return side * size


def _number(output: Mapping[str, Any], key: str, mode: str) -> Decimal:
    found = output.get(key)
    try:
        if not isinstance(found, bool):
            number = Decimal(str(found))
            if number.is_finite():
                return number
    except InvalidOperation:
        pass
    raise ValueError(f"{mode.title()} mode requires {key}, a number; it was {found!r}")
