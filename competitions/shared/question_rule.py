"""What a round sends: the window of market data, the scope, the call's arguments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_SPELLINGS = (
    ("asset", "subject"),
    ("horizon", "horizon_seconds"),
    ("step", "step_seconds"),
)
_CASTS: Mapping[str, Callable[[Any], Any]] = {
    "STRING": str,
    "INT": int,
    "FLOAT": float,
    "DOUBLE": float,
}


def raw_window(
    subject: str, kind: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the raw input with the newest closed records, oldest first.

    `{symbol, asof_ts, candles_1m: [{ts, open, high, low, close, volume}]}`, `ts` in
    epoch seconds of the opening (the key is `candles_1m` for any granularity); for
    ticks `{symbol, asof_ts, ticks: [{ts, price}]}`.
    """
    key = "candles_1m" if kind == "candle" else "ticks"
    return {"symbol": subject, "asof_ts": rows[-1]["ts"], key: list(rows)}


def scope_of(
    defaults: Mapping[str, Any], template: Mapping[str, Any], horizon_s: int
) -> dict[str, Any]:
    """Merge a schedule's scope into the contract's defaults, in both spellings."""
    defaults = dict(defaults)
    if horizon_s:
        defaults["horizon_seconds"] = horizon_s
    return with_both_spellings(
        {
            **without_other_spellings(defaults, template),
            **template,
            "resolve_horizon_seconds": horizon_s,
        }
    )


def without_other_spellings(
    defaults: Mapping[str, Any], scope: Mapping[str, Any]
) -> dict[str, Any]:
    """Leave out defaults that a scope gives in their other spelling."""
    other = dict([*_SPELLINGS, *(pair[::-1] for pair in _SPELLINGS)])
    return {
        name: value
        for name, value in defaults.items()
        if name not in other or other[name] not in scope
    }


def with_both_spellings(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope in both spellings: asset/horizon/step and subject/*_seconds."""
    both = dict(scope)
    for short, long in _SPELLINGS:
        if short in scope:
            both[long] = scope[short]
        elif long in scope:
            both[short] = scope[long]
    return both


def call_arguments(
    wanted: Iterable[tuple[str, str]], scope: Mapping[str, Any]
) -> list[Any]:
    """Take a call's positional arguments, each a name and a type, from the scope.

    Raises ValueError for an argument that the scope does not have, or not as its type.
    """
    return [_from_scope(name, kind, scope) for name, kind in wanted]


def _from_scope(name: str, kind: str, scope: Mapping[str, Any]) -> Any:
    if name not in scope:
        raise ValueError(
            f"the call's argument {name!r} is not in the scope, which has "
            f"{', '.join(sorted(scope))}"
        )
    value = scope[name]
    cast = _CASTS.get(kind)
    try:
        return cast(value) if cast else value
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"the call's argument {name!r} was {value!r:.200}"
            f" in the scope; the contract requires {kind}"
        ) from None
