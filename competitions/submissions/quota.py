"""Count a cruncher's submissions of a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from competitions.models import Cruncher, SubmittedVersion
from competitions.submissions.errors import QuotaUsedUpError
from competitions.wiring import shown_wiring
from core import clock
from core.texts import counted

# Refused through no fault of its author, so that it does not count.
INTERRUPTED = "check_interrupted"


@dataclass(frozen=True)
class Quota:
    """How many versions a cruncher may submit in a day of UTC, and what is left."""

    per_day: int
    used: int
    resets_at: datetime

    @property
    def left(self) -> int:
        return max(0, self.per_day - self.used)

    def require(self) -> None:
        """Raise QuotaUsedUpError when nothing is left."""
        if not self.left:
            raise QuotaUsedUpError(
                f"{self.used} of {counted(self.per_day, 'submission')} of this day are "
                f"used up; submit again from {self.resets_at:%Y-%m-%d %H:%M} UTC on."
            )


def quota_of(cruncher: Cruncher) -> Quota:
    """Return a cruncher's quota of today; one statement."""
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    next_day = day + timedelta(days=1)
    of_day = SubmittedVersion.objects.filter(
        cruncher=cruncher, created_at__gte=day, created_at__lt=next_day
    )
    return Quota(
        per_day=shown_wiring(cruncher.competition).config.submissions_per_day,
        used=of_day.exclude(code=INTERRUPTED).count(),
        resets_at=next_day,
    )
