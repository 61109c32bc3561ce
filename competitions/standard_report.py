"""Build the columns and widgets of the standard report from a contract."""

from collections.abc import Iterable
from typing import Any

from competitions.contract import CrunchConfig, numeric_fields

METRIC_NAMES = {
    "ic": "IC",
    "ic_sharpe": "IC Sharpe",
    "mean_return": "Mean Return",
    "hit_rate": "Hit Rate",
    "max_drawdown": "Max Drawdown",
    "sortino_ratio": "Sortino",
    "turnover": "Turnover",
    "model_correlation": "Model Corr",
    "fnc": "FNC",
    "contribution": "Contribution",
    "ensemble_correlation": "Ens. Corr",
}
COARSE = {"hit_rate", "sortino_ratio"}
# What the accounts of a trading competition did, chart by chart.
ACCOUNT_CHARTS = {
    "P&L Over Time": ("equity", "net_pnl"),
    "P&L Breakdown": ("realized_pnl", "unrealized_pnl", "fees", "carry"),
    "Max Drawdown": ("max_drawdown",),
    "Open Positions": ("open_positions", "exposure"),
}
DIVERSITY = ("model_correlation", "ensemble_correlation", "contribution", "fnc")


def standard_schema(config: CrunchConfig) -> dict[str, Any]:
    """Return columns and widgets for a contract's windows, metrics and score fields."""
    return {
        "schema_version": "1",
        "leaderboard_columns": _columns(config),
        "metrics_widgets": _widgets(config),
    }


def _columns(config: CrunchConfig) -> list[dict[str, Any]]:
    model = {
        "id": 1,
        "type": "MODEL",
        "property": "model_id",
        "format": None,
        "displayName": "Model",
        "tooltip": None,
        "nativeConfiguration": {"type": "model", "statusProperty": "status"},
        "order": 0,
    }
    windows = config.aggregation.windows
    values: list[tuple[int, str, str, str, str | None]] = [
        (10 * i, name, "decimal-2", _title(name), f"Rolling score over {w.hours} h")
        for i, (name, w) in enumerate(windows.items(), start=1)
    ]
    values += [
        (100 + 10 * i, name, _format(name), METRIC_NAMES.get(name, _title(name)), None)
        for i, name in enumerate(dict.fromkeys(config.metrics))
    ]
    known = {*windows, *config.metrics, config.aggregation.value_field, "value"}
    own = [name for name in numeric_fields(config.score_type) if name not in known]
    values += [
        (200 + 10 * i, name, "decimal-4", _title(name), None)
        for i, name in enumerate(own)
    ]
    return [
        model,
        *(
            {
                "id": number,
                "type": "VALUE",
                "property": name,
                "format": shape,
                "displayName": title,
                "tooltip": tooltip,
                "nativeConfiguration": None,
                "order": order,
            }
            for number, (order, name, shape, title, tooltip) in enumerate(values, 2)
        ),
    ]


def _widgets(config: CrunchConfig) -> list[dict[str, Any]]:
    metrics = list(dict.fromkeys(config.metrics))
    compared = [name for name in metrics if name in DIVERSITY]
    summed = [config.aggregation.value_field, *metrics]
    over_time = ACCOUNT_CHARTS if config.trading else {"Score Metrics": summed}
    charts: list[tuple[int, str, str, dict[str, Any]]] = [
        *(
            (order, title, "models/metrics", _chart("line", "performed_at", series))
            for order, (title, series) in enumerate(over_time.items(), start=10)
        ),
        (
            20,
            "Rolling Score by Scope",
            "models/params",
            _chart("bar", "scope_key", list(config.aggregation.windows))
            | {"groupBy": "scope_key"},
        ),
        (
            30,
            "Predictions",
            "predictions",
            _chart("line", "performed_at", ["score_value"])
            | {
                "groupBy": "scope_key",
                "alertConfig": {
                    "field": "score_failed",
                    "reasonField": "score_failed_reason",
                },
            },
        ),
        (
            40,
            "Reward History",
            "checkpoints/rewards",
            _chart("bar", "model_name", ["reward_pct"]),
        ),
    ]
    if metrics:
        overview = _chart("bar", "model_id", metrics)
        charts.append((15, "Multi-Metric Overview", "models/summary", overview))
    if any(ensemble.enabled for ensemble in config.ensembles):
        ensembles = _chart("line", "period_end", summed) | {"groupBy": "ensemble_name"}
        charts.append((16, "Ensemble Performance", "ensemble/history", ensembles))
    if compared:
        diversity = _chart("bar", "model_id", ["diversity_score", *compared])
        charts.append((25, "Model Diversity", "diversity", diversity))
    return [
        {
            "id": number,
            "type": "CHART",
            "displayName": title,
            "tooltip": None,
            "order": order,
            "endpointUrl": f"/reports/{path}",
            "nativeConfiguration": chart,
        }
        for number, (order, title, path, chart) in enumerate(
            sorted(charts, key=lambda chart: chart[0]), start=1
        )
    ]


def _chart(kind: str, x: str, series: Iterable[str]) -> dict[str, Any]:
    return {
        "type": kind,
        "xAxis": {"name": x},
        "yAxis": {"series": [{"name": name} for name in series]},
    }


def _format(metric: str) -> str:
    return "decimal-2" if metric in COARSE else "decimal-4"


def _title(name: str) -> str:
    return name.rpartition(":")[2].replace("_", " ").title()
