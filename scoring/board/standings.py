"""Compute the standings at an instant or over a period, from snapshots.

A window of h hours at an instant covers the snapshots whose period overlaps
[instant - h, instant). Its figure is the mean of their values weighted by the number of
scores, and NULL when there are none. Metrics are averaged in the same way over the
shortest window.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.models import Competition, ParticipantModel
from competitions.slots import Wiring
from core.grid import Period
from scoring.board.aggregator import Entrant, aggregated
from scoring.board.ranking import Standing, ranked
from scoring.board.window_sums import Sums
from scoring.board.windows import Figures, figures, figures_of_period
from scoring.snapshots.fields import summary_fields


def standings(
    *,
    competition: Competition,
    wiring: Wiring,
    as_of: datetime,
    guarded: GuardedCalls | None = None,
) -> list[Standing]:
    """Rank all models at an instant, from the snapshots, in two statements.

    A model that has left is listed while it has scores in the longest window. One that
    is excluded has no rank from that instant on.
    """
    hours = max(w.hours for w in wiring.config.aggregation.windows.values())
    return _standings(
        competition,
        wiring,
        guarded,
        figures(competition=competition, config=wiring.config, as_of=as_of),
        period=Period(as_of - timedelta(hours=hours), as_of),
        everybody=entrants(competition, as_of=as_of),
    )


def standings_of_period(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    sums: Sums,
    guarded: GuardedCalls | None = None,
) -> list[Standing]:
    """Rank all models over a period by its sums, in one statement.

    Every window's figure is that of the period. A model that is excluded at present has
    no rank.
    """
    return _standings(
        competition,
        wiring,
        guarded,
        figures_of_period(sums, wiring.config),
        period=period,
        everybody=entrants(competition),
    )


def _standings(
    competition: Competition,
    wiring: Wiring,
    guarded: GuardedCalls | None,
    found: dict[int, Figures],
    *,
    period: Period,
    everybody: Sequence[Entrant],
) -> list[Standing]:
    guarded = guarded or GuardedCalls(competition)
    if not wiring.is_default("MODEL_SCORE_AGGREGATOR"):
        found = aggregated(
            competition=competition,
            wiring=wiring,
            period=period,
            entrants=everybody,
            found=found,
            guarded=guarded,
        )
    stopped = ParticipantModel.State.STOPPED
    lines = [
        _standing(model, found.get(model.pk), wiring.config)
        for model in everybody
        if model.pk in found or model.state != stopped
    ]
    return ranked(lines, wiring, guarded)


def entrants(
    competition: Competition, *, as_of: datetime | None = None
) -> list[Entrant]:
    """Return every model of a competition, with those that left and ensembles.

    Present exclusions are given, with `as_of` those that had begun by then.
    """
    rows = competition.models.order_by().values_list(
        *("pk", "model_id", "name", "is_virtual", "state"),
        *("cruncher__name", "cruncher__cruncher_index"),
        *("exclusion_reason", "excluded_at"),
    )
    return [
        Entrant(*(row[:-1] if as_of and since and since > as_of else row))
        for *row, since in rows
    ]


def _standing(model: Entrant, found: Figures | None, config: CrunchConfig) -> Standing:
    aggregation = config.aggregation
    if found is None:
        names = [*aggregation.windows, *summary_fields(config)]
        found = Figures(
            metrics=dict.fromkeys(names),
            samples={name: {"count": 0, "expected": 0} for name in aggregation.windows},
        )
    return Standing(
        model=model,
        metrics=found.metrics,
        samples=found.samples,
        value=found.metrics[aggregation.ranking_key],
        counts=found.counts,
    )
