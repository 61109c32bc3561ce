"""Single rows of the lists of /api/v1/, each at an address of its own."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from competitions.models import Competition
from competitions.reporting import refuse_beyond
from core.requests import read_id, read_query
from crunchsite.v1.boards import BoardLineList, BoardList, BoardOfQuery
from crunchsite.v1.caching import tell_last_modified
from crunchsite.v1.checkpoints import CheckpointList
from crunchsite.v1.columns import Column, chosen_columns, values_of
from crunchsite.v1.competitions import CompetitionList
from crunchsite.v1.feeds import FeedList
from crunchsite.v1.lists import CompetitionListView, ListView
from crunchsite.v1.participants import ModelList
from crunchsite.v1.predictions import PredictionList
from crunchsite.v1.queries import CompetitionFieldsQuery, FieldsQuery
from crunchsite.v1.releases import ReleaseList
from crunchsite.v1.rounds import RoundList
from crunchsite.v1.schema import item_operation
from crunchsite.v1.scores import ScoreList
from crunchsite.v1.snapshots import SnapshotList
from emissions.models import PREFIX


class ItemView(ListView):
    """One row of a list, found by `key` among the rows that the user may see.

    Mixed into the list, whose columns it has; without such a row, `code` is told.
    """

    key: ClassVar[str]
    code: ClassVar[str] = "not_found"
    item_query: ClassVar[type[Serializer[Any]]] = FieldsQuery
    has_files = False

    def get(self, request: Request, **parts: str) -> Response:
        (text,) = parts.values()
        query = read_query(self.item_query, request)
        columns = chosen_columns(self.columns, query.get("fields"))
        row = self.row(text, columns, query)
        if row is None:
            raise NotFound(f"There is none that is called {text!r}.", code=self.code)
        names = [column.name for column in columns]
        response = Response(dict(zip(names, row, strict=False)))
        if self.written:
            tell_last_modified(response, row[-1])
        return response

    def row(
        self, text: str, columns: Sequence[Column], query: dict[str, Any]
    ) -> Sequence[Any] | None:
        """Return the values of the columns, then the instant of `written`; or None."""
        rows = self.rows(query).filter(**{self.key: text})
        return self._first(rows, columns)

    def _first(self, rows: Any, columns: Sequence[Column]) -> Sequence[Any] | None:
        more = [self.written] if self.written else []
        found: Sequence[Any] | None = values_of(rows, columns, *more).first()
        return found


class NumberedItemView(ItemView, CompetitionListView):
    """A row with a number, which names it in the whole site."""

    def row(
        self, text: str, columns: Sequence[Column], query: dict[str, Any]
    ) -> Sequence[Any] | None:
        rows = self.get_queryset().filter(pk=read_id(text))
        user, path = self.request.user, self.competition_path
        seen = Competition.objects.seen_by(user).order_by()
        found = self._first(rows.filter(**{f"{path}__in": seen}), columns)
        if found is None:
            refuse_beyond(user, Competition.objects.filter(pk__in=rows.values(path)))
        return found


@item_operation("Read a competition")
class OneCompetition(ItemView, CompetitionList):
    """One competition, by its slug."""

    key, code = "slug", "competition_not_found"

    def row(
        self, text: str, columns: Sequence[Column], query: dict[str, Any]
    ) -> Sequence[Any] | None:
        found = super().row(text, columns, query)
        if found is None:
            refuse_beyond(self.request.user, Competition.objects.filter(slug=text))
        return found


@item_operation("Read a model")
class OneModel(ItemView, ModelList):
    """A model of the competition that is asked for, by its id."""

    key, code = "model_id", "model_not_found"
    item_query = CompetitionFieldsQuery


@item_operation("Read a predict round")
class OneRound(NumberedItemView, RoundList):
    """A round as it stands now."""


@item_operation("Read a prediction")
class OnePrediction(NumberedItemView, PredictionList):
    """An answer as it was given; it never changes."""


@item_operation("Read a score")
class OneScore(NumberedItemView, ScoreList):
    """A score, also one that a rescoring has replaced; it never changes."""

    written = "scored_at"


@item_operation("Read a snapshot")
class OneSnapshot(NumberedItemView, SnapshotList):
    """A snapshot, also one that a correction has replaced."""

    code = "snapshot_not_found"
    written = "updated_at"


@item_operation("Read what a kept board is")
class OneBoard(NumberedItemView, BoardList):
    """A board that is kept; `leaderboard?as_of=` has its lines."""


@item_operation("Read a model's line of a leaderboard")
class OneBoardLine(ItemView, BoardLineList):
    """Where a model stands on the newest board, or on one that was kept."""

    key, code = "model__model_id", "model_not_found"
    item_query = BoardOfQuery


@item_operation("Read a checkpoint")
class OneCheckpoint(NumberedItemView, CheckpointList):
    """A closed period and what it pays; `7` and `CKP_7` name the same."""

    code = "checkpoint_not_found"

    def row(
        self, text: str, columns: Sequence[Column], query: dict[str, Any]
    ) -> Sequence[Any] | None:
        return super().row(text.removeprefix(PREFIX), columns, query)


@item_operation("Read a feed")
class OneFeed(ItemView, FeedList):
    """What the tape holds of a feed, by `source:subject:kind:granularity`."""

    def row(
        self, text: str, columns: Sequence[Column], query: dict[str, Any]
    ) -> Sequence[Any] | None:
        return self.values_by_id(columns).get(text)


@item_operation("Read a release of the live pool")
class OneRelease(ItemView, ReleaseList):
    """A release that was published, by its version."""

    key = "version"
