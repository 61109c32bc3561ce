"""Show what the open period would pay if it ended with what is known now."""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from competitions.emission_rule import EmissionRule
from competitions.models import Competition
from competitions.slots import Wiring
from competitions.wiring import shown_wiring
from core.grid import Period
from emissions.builder import builder_of
from emissions.checkpoints import decided, next_period
from emissions.payees import Payees, payees_of
from emissions.shares import shares_of
from scoring.models import Leaderboard


@dataclass(frozen=True)
class Preview:
    """A period without a checkpoint; `shares` are those of the ranking, in billionths.

    They are None where an operator's builder decides, which is only called to pay.
    """

    period: Period
    rule: EmissionRule
    payees: Payees
    shares: list[int] | None

    def is_over(self, now: datetime) -> bool:
        """Return whether the period only waits for its checkpoint."""
        return self.period.end <= now


# The newest preview of each competition, with what it was made from. Anybody may ask
# for one, and ranking a period reads all its snapshots.
_kept: dict[int, tuple[object, Preview]] = {}
_one_at_a_time = Lock()


def preview(competition: Competition) -> Preview | None:
    """Return the earliest period with snapshots and no checkpoint; None without one.

    It is made anew when the board has moved, or a decision of operators has changed it.
    """
    if not competition.activated_at or not competition.emission_interval_s:
        return None
    period = next_period(competition=competition)
    if period is None:
        return None
    wiring = shown_wiring(competition)
    with _one_at_a_time:
        board_at, acts = _board_at(competition), decided(competition)
        facts = (period, board_at, acts, wiring.config)
        before, found = _kept.get(competition.pk, (None, None))
        if found is None or before != facts:
            found = _made(competition, wiring, period)
            _kept[competition.pk] = (facts, found)
    return found


def _board_at(competition: Competition) -> datetime | None:
    boards = Leaderboard.objects.filter(competition=competition, is_newest=True)
    return boards.values_list("as_of", flat=True).first()


def _made(competition: Competition, wiring: Wiring, period: Period) -> Preview:
    config = wiring.config
    payees = payees_of(competition=competition, wiring=wiring, period=period)
    shares = None
    if builder_of(config) is None:
        shares = shares_of(
            config.emission,
            payees.ranking,
            is_ascending=config.aggregation.ranking_direction == "asc",
        )
    return Preview(period, config.emission, payees, shares)
