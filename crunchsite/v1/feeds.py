"""Market data: the feeds on the tape, and their records."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from core.paging import read_cursor, read_text, write_cursor
from core.requests import IdField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.lists import ListView, Page
from crunchsite.v1.queries import ListQuery
from crunchsite.v1.schema import MARKET, list_operation
from feeds.models import FeedSubscription
from feeds.tape import reports
from feeds.tape.records import FeedKey

KEY = (
    Column("source", Kind.TEXT),
    Column("subject", Kind.TEXT),
    Column("kind", Kind.TEXT),
    Column("granularity", Kind.TEXT),
)
FEEDS = (
    Column("feed", Kind.TEXT, "key.id"),
    *KEY,
    Column("record_count", Kind.INTEGER),
    Column("oldest_ts", Kind.INSTANT),
    Column("newest_ts", Kind.INSTANT),
    Column("watermark_ts", Kind.INSTANT),
    Column("watermark_updated_at", Kind.INSTANT),
)
RECORDS = (
    *KEY,
    Column("ts_event", Kind.INSTANT, help="When it opens."),
    Column("ts_ingested", Kind.INSTANT),
    Column("is_closed", Kind.BOOLEAN),
    Column("values", Kind.JSON, "values_jsonb"),
    Column("meta", Kind.JSON, "meta_jsonb"),
)


class FeedListQuery(ListQuery):
    source = IdField(required=False)  # type: ignore[assignment]  # DRF takes it off the class
    subject = IdField(required=False)
    kind = IdField(required=False)
    granularity = IdField(required=False)


class RecordListQuery(FeedListQuery):
    since = InstantField(required=False, help_text="`ts_event` from here on.")
    until = InstantField(required=False, help_text="`ts_event` before this.")


@list_operation(MARKET, "FeedItem", "List feeds")
class FeedList(ListView):
    """What the tape holds, feed by feed."""

    queryset = FeedSubscription.objects.none()
    columns = FEEDS
    query_class = FeedListQuery

    def selected(self, query: dict[str, Any]) -> list[reports.FeedSummary]:
        wanted = _wanted(query)
        found = [
            feed
            for feed in reports.summaries()
            if all(getattr(feed, name) == value for name, value in wanted.items())
        ]
        return sorted(found, key=attrgetter("key.id"))

    def values_by_id(self, columns: Sequence[Column]) -> dict[str, Sequence[Any]]:
        """Return the values of the columns of each feed, by its id."""
        feeds = reports.summaries()
        values = _values(feeds, columns)
        return {feed.key.id: row for feed, row in zip(feeds, values, strict=True)}

    def page(self, rows: Any, columns: Sequence[Column], query: dict[str, Any]) -> Page:
        if "cursor" in query:
            (last,) = read_cursor(query["cursor"], read_text)
            rows = [feed for feed in rows if feed.key.id > last]
        shown = rows[: query["limit"]]
        is_more = len(rows) > len(shown)
        following = write_cursor(shown[-1].key.id) if is_more else None
        return Page(_values(shown, columns), following)


@list_operation(MARKET, "FeedRecordItem", "List records of feeds")
class RecordList(ListView):
    """Candles and ticks, the newest first; also the one that is still open."""

    queryset = FeedSubscription.objects.none()
    columns = RECORDS
    query_class = RecordListQuery

    def selected(self, query: dict[str, Any]) -> list[Any]:
        before, before_id = (
            read_cursor(query["cursor"], read_instant, read_text)
            if "cursor" in query
            else (None, "")
        )
        return reports.newest_of_feeds(
            wanted=_wanted(query),
            before=before,
            before_id=before_id,
            since=query.get("since"),
            until=query.get("until"),
            limit=query["limit"] + 1,
        )

    def page(self, rows: Any, columns: Sequence[Column], query: dict[str, Any]) -> Page:
        shown = rows[: query["limit"]]
        is_more = len(rows) > len(shown)
        following = write_cursor(shown[-1].ts_event, shown[-1].id) if is_more else None
        return Page(_values(shown, columns), following)


def _wanted(query: dict[str, Any]) -> dict[str, str]:
    return {name: query[name] for name in FeedKey._fields if name in query}


def _values(rows: Sequence[Any], columns: Sequence[Column]) -> list[Sequence[Any]]:
    readers = [attrgetter(column.source) for column in columns]
    return [[read(row) for read in readers] for row in rows]
