"""Show what the open period would pay if it ended with what is known now."""

from dataclasses import dataclass
from datetime import datetime

from competitions.emission_rule import EmissionRule
from competitions.models import Competition
from competitions.wiring import shown_wiring
from core.grid import Period
from emissions.builder import builder_of
from emissions.checkpoints import next_period
from emissions.payees import Payees, payees_of
from emissions.shares import shares_of


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


def preview(competition: Competition) -> Preview | None:
    """Return the earliest period with snapshots and no checkpoint; None without one."""
    if not competition.activated_at or not competition.emission_interval_s:
        return None
    period = next_period(competition=competition)
    if period is None:
        return None
    wiring = shown_wiring(competition)
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
