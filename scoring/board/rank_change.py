"""Explain a model's place: its ranks over time, and why a rank changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from competitions.models import Competition, ParticipantModel
from competitions.slots import Wiring
from scoring.board.ranking import Standing
from scoring.board.standings import standings
from scoring.models import Snapshot


@dataclass(frozen=True)
class WindowChange:
    """A window's figure at both instants, and the snapshots that made the difference.

    `entered` count at `until` but not at `since`; `left` the other way round.
    """

    window: str
    before: float | None
    after: float | None
    entered: list[Snapshot]
    left: list[Snapshot]


@dataclass(frozen=True)
class RankChange:
    """A model's rank at two instants, the reasons, and which models passed which.

    Who has no rank at one of them has passed nobody, and was passed by nobody.
    """

    rank_before: int | None
    rank_after: int | None
    windows: list[WindowChange]
    overtaken_by: list[str]
    overtook: list[str]


def explain(
    *,
    competition: Competition,
    wiring: Wiring,
    model: ParticipantModel,
    since: datetime,
    until: datetime,
) -> RankChange:
    """Compare a model's standing at two instants, both rebuilt from snapshots."""
    boards = [
        {
            line.model.pk: line
            for line in standings(competition=competition, wiring=wiring, as_of=as_of)
        }
        for as_of in (since, until)
    ]
    before, after = (board.get(model.pk) for board in boards)
    is_ranked = all(line is not None and line.rank for line in (before, after))
    above = [_above(board, model.pk) if is_ranked else set() for board in boards]
    longest = max(w.hours for w in wiring.config.aggregation.windows.values())
    snapshots = list(
        Snapshot.objects.current()
        .filter(
            model=model,
            period_end__gt=since - timedelta(hours=longest),
            period_start__lt=until,
        )
        .order_by("period_start")
    )
    names = {line.model.pk: line.model.model_id for line in boards[1].values()}
    return RankChange(
        rank_before=before.rank if before else None,
        rank_after=after.rank if after else None,
        windows=[
            WindowChange(
                window=name,
                before=before.metrics[name] if before else None,
                after=after.metrics[name] if after else None,
                entered=_only_in(snapshots, until, since, window.hours),
                left=_only_in(snapshots, since, until, window.hours),
            )
            for name, window in wiring.config.aggregation.windows.items()
        ],
        overtaken_by=_names(names, above[1] - above[0]),
        overtook=_names(names, above[0] - above[1]),
    )


def _above(board: dict[int, Standing], pk: int) -> set[int]:
    """Return the real models with a better rank; none for a model without a rank."""
    own = board.get(pk)
    if own is None or own.rank is None:
        return set()
    return {
        other
        for other, line in board.items()
        if line.rank is not None and line.rank < own.rank
    }


def _names(names: dict[int, str], keys: set[int]) -> list[str]:
    return sorted(names[key] for key in keys if key in names)


def _only_in(
    snapshots: list[Snapshot], inside: datetime, outside: datetime, hours: int
) -> list[Snapshot]:
    """Return the snapshots in the window of one instant but not in the other's."""

    def holds(snapshot: Snapshot, as_of: datetime) -> bool:
        since = as_of - timedelta(hours=hours)
        return snapshot.period_end > since and snapshot.period_start < as_of

    return [s for s in snapshots if holds(s, inside) and not holds(s, outside)]
