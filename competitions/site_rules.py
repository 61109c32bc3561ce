"""The rules of a competition as participants' packages hold them, as they are now."""

from typing import Any

from competitions.contract import Schedule, ScheduledPredictionConfig
from competitions.models import Competition
from competitions.package_rules import public_rules
from competitions.packs import PackFeed
from competitions.wiring import wiring_of


def rules_on_site(competition: Competition) -> dict[str, Any]:
    """Return what a backtest needs to know; raises CompetitionError. One statement."""
    return public_rules(
        wiring_of(competition).config,
        source=competition.feed_source,
        feed=PackFeed(
            kind=competition.feed_kind, granularity=competition.feed_granularity
        ),
        schedule=schedules_of(competition),
        score_interval_s=competition.score_interval_s,
        snapshot_period_s=competition.snapshot_period_s,
    )


def schedules_of(competition: Competition) -> list[ScheduledPredictionConfig]:
    """Return a competition's questions as files have them. One statement."""
    return [
        ScheduledPredictionConfig(
            scope_key=row.scope_key,
            scope_template=row.scope_template,
            schedule=Schedule(
                prediction_interval_seconds=row.prediction_interval_s,
                resolve_horizon_seconds=row.resolve_horizon_s,
            ),
            active=row.active,
            order=row.order,
            meta=row.meta,
        )
        for row in competition.scheduled_predictions.order_by("order", "pk")
    ]
