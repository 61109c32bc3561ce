"""Rewards: what each model earned in each checkpoint."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from competitions.models import Competition, ParticipantModel
from core.paging import Keyset, read_cursor, read_int, write_cursor
from core.requests import IdListField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView, Page
from crunchsite.v1.queries import CompetitionListQuery
from crunchsite.v1.schema import PAYOUTS, list_operation
from emissions import formats
from emissions.models import Checkpoint

COLUMNS = (
    Column("checkpoint_id", Kind.INTEGER),
    Column("period_start", Kind.INSTANT),
    Column("period_end", Kind.INSTANT),
    Column("place", Kind.INTEGER, help="Order in the checkpoint, from 1."),
    Column("rank", Kind.INTEGER),
    Column("model_id", Kind.TEXT),
    Column("model_name", Kind.TEXT),
    Column("cruncher_index", Kind.INTEGER),
    Column(
        "reward_frac64",
        Kind.INTEGER,
        help="1 000 000 000 is the whole. A cruncher's share stands at their best "
        "model; `null` at the others, and where nothing is emitted.",
    ),
    Column("prediction_count", Kind.INTEGER),
)
CHECKPOINTS_AT_ONCE = 4  # each holds a line a model


class RewardListQuery(CompetitionListQuery):
    model_id = IdListField(required=False)


class RewardFilters(Filters):
    since = reads(
        InstantField(help_text="Periods that end from here on."), "period_end", "gte"
    )
    until = reads(
        InstantField(help_text="Periods that end before this."), "period_end", "lt"
    )
    as_of = reads(InstantField(help_text="Made before this."), "created_at", "lt")


class Reward(NamedTuple):
    """A place of a checkpoint's ranking, under the columns' names."""

    checkpoint_id: int
    period_start: Any
    period_end: Any
    place: int
    rank: int | None
    model_id: str
    model_name: str | None
    cruncher_index: int | None
    reward_frac64: int | None
    prediction_count: int | None
    created_at: datetime


@list_operation(PAYOUTS, "RewardItem", "List rewards")
class RewardList(CompetitionListView):
    """What each ranked model earned, the newest period first, then by place.

    A row never changes.
    """

    queryset = Checkpoint.objects.all()
    columns = COLUMNS
    order = Keyset("period_end", read_instant, descending=True)
    query_class = RewardListQuery
    filterset_class = RewardFilters
    has_files = True
    written = "created_at"
    _unpaid: frozenset[str] = frozenset()  # ensembles
    _wanted: frozenset[str] = frozenset()  # models; all if empty

    def rows_of(self, competition: Competition, query: dict[str, Any]) -> QuerySet[Any]:
        ensembles = ParticipantModel.objects.filter(
            competition=competition, is_virtual=True
        )
        self._unpaid = frozenset(ensembles.values_list("model_id", flat=True))
        self._wanted = frozenset(query.get("model_id", ()))
        return super().rows_of(competition, query)

    def page(self, rows: Any, columns: Sequence[Column], query: dict[str, Any]) -> Page:
        limit, last_id, last_place = query["limit"], 0, 0
        if "cursor" in query:
            end, last_id, last_place = read_cursor(
                query["cursor"], read_instant, read_int, read_int
            )
            of_same = Q(period_end=end, pk__lte=last_id)
            rows = rows.filter(of_same | Q(period_end__lt=end), period_end__lte=end)
        left = (
            reward
            for reward in self._rewards(rows)
            if reward.checkpoint_id != last_id or reward.place > last_place
        )
        found = list(islice(left, limit + 1))
        following = None
        if len(found) > limit:
            last = found[limit - 1]
            following = write_cursor(last.period_end, last.checkpoint_id, last.place)
        newest = max((reward.created_at for reward in found), default=None)
        return Page(list(_values(found[:limit], columns)), following, newest)

    def whole(self, rows: Any, columns: Sequence[Column]) -> Iterable[Sequence[Any]]:
        return _values(self._rewards(rows), columns)

    def fingerprint(self, rows: Any, *facts: Any) -> tuple[str, datetime | None]:
        return super().fingerprint(rows, *facts, sorted(self._wanted))

    def _rewards(self, rows: Any) -> Iterator[Reward]:
        checkpoints = self.order.after(rows).iterator(chunk_size=CHECKPOINTS_AT_ONCE)
        for checkpoint in checkpoints:
            shares = formats.model_shares(checkpoint)
            for place, (line, share) in enumerate(shares, start=1):
                model_id = line["model_id"]
                if model_id in self._unpaid:
                    continue
                if self._wanted and model_id not in self._wanted:
                    continue
                yield Reward(
                    checkpoint_id=checkpoint.pk,
                    period_start=checkpoint.period_start,
                    period_end=checkpoint.period_end,
                    place=place,
                    rank=line.get("rank"),
                    model_id=model_id,
                    model_name=line.get("model_name"),
                    cruncher_index=line.get("cruncher_index"),
                    reward_frac64=share,
                    prediction_count=line.get("prediction_count"),
                    created_at=checkpoint.created_at,
                )


def _values(
    rewards: Iterable[Reward], columns: Sequence[Column]
) -> Iterator[Sequence[Any]]:
    places = [Reward._fields.index(column.name) for column in columns]
    return ([reward[place] for place in places] for reward in rewards)
