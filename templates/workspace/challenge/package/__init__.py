"""{{ title }}: the public package of the competition."""

from importlib import import_module

__version__ = "0.1.0"

# Imported when they are first used, so that the package itself is imported at once.
_PLACES = {
    "backtest": "backtest",
    "BacktestClient": "day_files",
    "BacktestRunner": "backtest",
    "BacktestResult": "backtest_result",
    "Client": "client",
    "TrackerBase": "tracker",
}
__all__ = ["BacktestClient", "BacktestResult", "BacktestRunner", "Client", "TrackerBase"]


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f"{__name__} has no {name}")
    found = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = found
    return found
