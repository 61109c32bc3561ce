"""The rules of a competition as its public package holds them: one JSON document."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings

from competitions.contract import CrunchConfig, ScheduledPredictionConfig
from competitions.packs import PackFeed
from competitions.standard_report import METRIC_NAMES

RULES_FILE = "rules.json"
SCHEMA_FILES = tuple(
    f"{name}.schema.json" for name in ("input", "output", "truth", "score")
)
# The default of a competition; its model cannot be imported where Django is not set up.
SNAPSHOT_PERIOD_S = 3600


def public_rules(
    config: CrunchConfig,
    *,
    feed: PackFeed,
    schedule: Sequence[ScheduledPredictionConfig],
    score_interval_s: int,
    snapshot_period_s: int = SNAPSHOT_PERIOD_S,
    source: str = "",
) -> dict[str, Any]:
    """Return all that a backtest needs to know of a contract and its schedule.

    `source` of the feed is the environment's where it is not given. Metrics of the
    operator's own are left out: their code is not public.
    """
    aggregation = config.aggregation
    trading = config.trading and {
        name: value if isinstance(value, str) else str(value)
        for name, value in asdict(config.trading).items()
    }
    return {
        "rules_version": 1,
        "feed": {"source": source or settings.ENV.feed_source, **feed.model_dump()},
        "window": settings.ENV.feed_candles_window,
        "feed_update_method": config.feed_update_method,
        "method": config.call_method.method,
        "arguments": [[each.name, each.type] for each in config.call_method.args],
        "scope": config.scope.model_dump(mode="json"),
        "schedule": [
            {
                "scope_key": each.scope_key,
                "scope_template": each.scope_template,
                "every_s": each.schedule.prediction_interval_seconds,
                "horizon_s": each.schedule.resolve_horizon_seconds,
                "order": each.order,
            }
            for each in schedule
            if each.active
        ],
        "max_input_age_candles": config.max_input_age_candles,
        "staleness_fraction": config.max_ground_truth_staleness_fraction,
        "max_output_bytes": config.max_output_bytes,
        "output_schema": config.output_type.model_json_schema(),
        "signal_field": "value",
        "value_field": aggregation.value_field,
        "metrics": [name for name in config.metrics if name in METRIC_NAMES],
        "windows": {name: each.hours for name, each in aggregation.windows.items()},
        "ranking_key": aggregation.ranking_key,
        "ranking_direction": aggregation.ranking_direction,
        "score_interval_s": score_interval_s,
        "snapshot_period_s": snapshot_period_s,
        "trading": trading,
    }


def public_schemas(config: CrunchConfig) -> dict[str, str]:
    """Return a JSON Schema of each type of a contract, by the name of its file."""
    kinds = {
        "input": config.input_type,
        "output": config.output_type,
        "truth": config.ground_truth_type,
        "score": config.score_type,
    }
    return {
        f"{name}.schema.json": json.dumps(kind.model_json_schema(), indent=1) + "\n"
        for name, kind in kinds.items()
    }


def rules_text(rules: Mapping[str, Any]) -> str:
    """Return rules as the text of a package's file."""
    return json.dumps(rules, indent=1, ensure_ascii=False) + "\n"


def rules_digest(rules: Mapping[str, Any]) -> str:
    """Return the SHA-256 of rules, in hex; the order of names does not count."""
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()
