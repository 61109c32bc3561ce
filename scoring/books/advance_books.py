"""Play what is settled of a competition's orders and prices into its accounts.

An instant is settled once every subject's candle by then is on the tape and every round
of a slot by then was asked. A feed that is later than the others delays the accounts,
for an hour at most; it never makes them skip a price that comes. The answers to posted
tournament rounds are no orders: there is no instant at which they could be filled.

Nothing is settled beyond the tape. If a clock and its market were ahead, the accounts
stand still until the jump is over; orders have numbers, so those that came meanwhile
are known, and are filled at the prices of their own instants.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models import Max, Min

from competitions.contract import CrunchConfig
from competitions.models import Competition, Prediction, Round
from competitions.patience import PATIENCE
from competitions.round_feed import feed_of
from competitions.slots import Wiring
from competitions.trading.account import Account, from_state, to_state
from competitions.trading.book import Mark, Order, play
from competitions.trading.trading_rules import TradingRules
from core.grid import EPOCH
from feeds.tape import reads
from feeds.tape.records import FeedKey
from scoring.models import TradingBook

log = structlog.get_logger(__name__)


def advance(
    *,
    competition: Competition,
    wiring: Wiring,
    now: datetime,
    period_start: datetime,
) -> None:
    """Bring the accounts of a trading competition up to the newest settled instant.

    All of it counts in the period that begins at `period_start` and holds `now`: as
    with scores, that is when it became known. The caller holds the competition's lock.
    The number of statements does not depend on the number of models; none for other
    competitions.
    """
    if wiring.config.trading is None:
        return
    rows = _newest_rows(competition)
    until = _settled_until(competition, wiring.config, now)
    since = max((row.marked_at for row in rows), default=None)
    since = since or before_first_order(competition)
    if since is None or until is None or since >= until:
        return
    play_stretch(
        competition=competition,
        wiring=wiring,
        rows=rows,
        since=since,
        until=until,
        period_start=period_start,
    )


def play_stretch(
    *,
    competition: Competition,
    wiring: Wiring,
    rows: Sequence[TradingBook],
    since: datetime,
    until: datetime,
    period_start: datetime,
) -> list[TradingBook]:
    """Play orders and prices in `(since, until]` into the accounts of `rows`.

    Orders of earlier instants that came after the last mark are played too. Stores the
    accounts as rows of the period and returns them.
    """
    rules = wiring.config.trading
    assert rules is not None  # the caller has checked this
    accounts = {row.model_id: from_state(row.state, rules) for row in rows}
    orders = _orders(competition, wiring.config, since, until)
    if newest := max((each.newest_order for each in accounts.values()), default=0):
        late = _orders(competition, wiring.config, EPOCH, since, newer_than=newest)
        orders = [*late, *orders]
    subjects = {order.subject for order in orders}
    subjects.update(*(account.positions for account in accounts.values()))
    first_us = min([micros(since), *(order.at_us - 1 for order in orders)])
    marks, prices = _marks(
        map(competition.feed, sorted(subjects)),
        EPOCH + first_us * timedelta.resolution,
        until,
        news_us=micros(since),
    )
    if any(row.period_start != period_start for row in rows):
        _begin_stretches(accounts, rules, period_start)
    refused = play(accounts, rules=rules, marks=marks, orders=orders, prices=prices)
    if refused:
        log.info("orders.refused", count=len(refused), first_reason=refused[0])
    return TradingBook.objects.bulk_create(
        [
            TradingBook(
                model_id=model,
                period_start=period_start,
                marked_at=until,
                state=to_state(account),
            )
            for model, account in accounts.items()
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["model", "period_start"],
        update_fields=["marked_at", "state"],
    )


def _begin_stretches(
    accounts: Mapping[int, Account], rules: TradingRules, period_start: datetime
) -> None:
    """Begin a stretch of each account; one that a clock ahead has begun goes on."""
    begun = TradingBook.objects.filter(model__in=accounts, period_start=period_start)
    found = {row.model_id: from_state(row.state, rules) for row in begun}
    for model, account in accounts.items():
        account.begin_stretch(found.get(model))


def micros(at: datetime) -> int:
    """Return microseconds since the epoch."""
    return (at - EPOCH) // timedelta.resolution


def _newest_rows(competition: Competition) -> list[TradingBook]:
    """Return the rows that were marked last: every account has one among them.

    They may be of an earlier period than others, which a clock ahead has begun.
    """
    books = TradingBook.objects.filter(model__competition=competition)
    newest = books.aggregate(at=Max("marked_at"))["at"]
    return list(books.filter(marked_at=newest)) if newest else []


def _settled_until(
    competition: Competition, config: CrunchConfig, now: datetime
) -> datetime | None:
    """Return the newest instant by which all prices and orders are known."""
    schedules = list(competition.scheduled_predictions.all())
    running = [scheduled for scheduled in schedules if scheduled.active]
    # Once nothing is asked any more, positions are still marked.
    subjects = {
        feed_of(competition, scheduled.scope_template, config).subject
        for scheduled in running or schedules
    }
    newest = reads.newest_closed_many(
        source=competition.feed_source,
        subjects=sorted(subjects),
        kind=competition.feed_kind,
        granularity=competition.feed_granularity,
        at=now,
        limit=1,
    )
    closed = [found[-1].closes_at for found in newest.values() if found]
    if not closed:
        return None
    # By the tape and not by a clock that may be ahead of it.
    until = max(min(closed), max(closed) - PATIENCE)
    unasked = Round.objects.waiting().filter(competition=competition)
    open_slots = [
        unasked.aggregate(at=Min("slot_at"))["at"],
        *(scheduled.next_slot_at for scheduled in running),
    ]
    before = [slot - timedelta.resolution for slot in open_slots if slot is not None]
    for slot in before:
        until = min(until, slot)
    return until


def before_first_order(competition: Competition) -> datetime | None:
    """Return the instant just before the first round was asked, if one was."""
    asked = Round.objects.filter(
        competition=competition, performed_at__isnull=False, tournament__isnull=True
    )
    first: datetime | None = asked.aggregate(at=Min("performed_at"))["at"]
    return None if first is None else first - timedelta.resolution


def _orders(
    competition: Competition,
    config: CrunchConfig,
    since: datetime,
    until: datetime,
    newer_than: int = 0,
) -> list[Order]:
    """Return the models' answers in `(since, until]`, in the order of their rounds.

    Only those with a number above `newer_than`.
    """
    rows = (
        Prediction.objects.filter(
            pk__gt=newer_than,
            round__competition=competition,
            round__tournament__isnull=True,
            round__performed_at__gt=since,
            round__performed_at__lte=until,
            outcome=Prediction.Outcome.ANSWERED,
            model__is_virtual=False,
        )
        .exclude(round__status=Round.Status.VOID)
        .order_by(
            *("round__performed_at", "round__scheduled_prediction__order"),
            *("round", "model"),
        )
        .values_list("pk", "round__performed_at", "model_id", "round__scope", "output")
    )
    return [
        Order(
            micros(at), model, feed_of(competition, scope, config).subject, output, pk
        )
        for pk, at, model, scope, output in rows
        if at is not None
    ]


def _marks(
    feeds: Iterable[FeedKey], since: datetime, until: datetime, *, news_us: int
) -> tuple[list[Mark], dict[str, Decimal]]:
    """Return the prices that closed in `(since, until]`, and those before them.

    Only those after `news_us` are news.
    """
    marks: list[Mark] = []
    before: dict[str, Decimal] = {}
    start_us = micros(since)
    for feed in feeds:
        found = reads.closed_prices(key=feed, since=since, until=until)
        for closed_at, price in zip(
            found.closed_at.tolist(), found.price.tolist(), strict=True
        ):
            if not price > 0:  # a record without a price is NaN
                continue
            at_us = round(closed_at * 1_000_000)
            if at_us <= start_us:
                before[feed.subject] = Decimal(repr(price))
            else:
                exact = Decimal(repr(price))
                marks.append(Mark(at_us, feed.subject, exact, at_us > news_us))
    return sorted(marks, key=lambda mark: (mark.at_us, mark.subject)), before
