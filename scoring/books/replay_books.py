"""Play the accounts of a trading competition again after an operator's correction."""

from datetime import datetime

from django.db.models import Max, QuerySet

from competitions.errors import CompetitionError
from competitions.models import Competition
from competitions.slots import Wiring
from feeds.tape.retention import oldest_kept
from scoring.books.advance_books import before_first_order, play_stretch
from scoring.models import TradingBook


class PricesGoneError(CompetitionError):
    """Accounts that cannot be played again: the tape has dropped the prices."""

    code = "prices_gone"
    status = 409


def replay_accounts(
    *, competition: Competition, wiring: Wiring, since: datetime, now: datetime
) -> list[datetime]:
    """Play again the periods that were marked at `since` or later, up to their marks.

    Positions are carried on, so each later period may change too. Returns the starts of
    these periods; none for other competitions. Raises PricesGoneError. The caller holds
    the competition's lock.
    """
    if wiring.config.trading is None:
        return []
    books = TradingBook.objects.filter(model__competition=competition)
    later = books.filter(marked_at__gte=since)
    periods = _marks_of(later)
    if not periods:
        return []
    earlier = books.filter(marked_at__lt=since).aggregate(at=Max("marked_at"))["at"]
    rows = list(books.filter(marked_at=earlier))
    last_mark = earlier or before_first_order(competition)
    assert last_mark is not None  # without an order there are no accounts
    if last_mark < (kept := oldest_kept(now)):
        raise PricesGoneError(
            f"the accounts would be played again from {last_mark:%Y-%m-%d %H:%M}, and "
            f"the tape keeps prices from {kept:%Y-%m-%d %H:%M}; choose a later stretch."
        )
    later.delete()
    for period_start, marked_at in periods.items():
        rows = play_stretch(
            competition=competition,
            wiring=wiring,
            rows=rows,
            since=last_mark,
            until=marked_at,
            period_start=period_start,
        )
        last_mark = marked_at
    return list(periods)


def _marks_of(books: QuerySet[TradingBook]) -> dict[datetime, datetime]:
    """Return the last mark of each period, oldest first."""
    found = books.order_by().values_list("period_start")
    return dict(found.annotate(at=Max("marked_at")).order_by("at"))
