"""The newest board's answer, kept as bytes until something that it shows has changed.

Strangers ask for it again and again, and drawing it costs fifty times what one
statement does that tells whether it is still right. That no transaction has been
committed since costs a fifth of that, and is asked first.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.cache import set_response_etag

from core.acts import is_known
from core.first_statement import first_statement

MOST_KEPT = 8  # of a process; each is as large as a board
# All that an answer shows: which competition is chosen, the row of its board, which
# every publication writes anew, and names.
_VERSION = """
    SELECT board.id, board.xmin::text, board.ctid::text,
        (SELECT md5(string_agg(row(id, slug, status)::text, ',' ORDER BY id))
            FROM competitions),
        (SELECT md5(string_agg(row(model.id, model.model_id, model.name,
                model.is_virtual, cruncher.name, model.excluded_at,
                model.exclusion_reason)::text, ',' ORDER BY model.id))
            FROM models AS model LEFT JOIN crunchers AS cruncher
                ON cruncher.id = model.cruncher_id
            WHERE model.competition_id = board.competition_id)
    FROM leaderboards AS board WHERE board.competition_id = %s AND board.is_newest
"""
# Equal ones see the same rows, but for those of their own transaction.
_SNAPSHOT = "SELECT pg_current_snapshot()::text"
Version = tuple[Any, ...]


@dataclass
class Kept:
    """An answer, and the version of the competition's board that it shows.

    It was last found right for what the database's snapshot `seen` sees.
    """

    competition_id: int
    version: Version
    headers: dict[str, str]
    body: bytes
    seen: str = ""

    def is_right(self) -> bool:
        if connection.in_atomic_block:
            return version_of_board(self.competition_id) == self.version
        # First, so that it is never newer than the version.
        snapshot = first_statement(_snapshot)
        if snapshot == self.seen:
            return True
        if version_of_board(self.competition_id) != self.version:
            return False
        self.seen = snapshot
        return True

    def response(self) -> HttpResponse:
        return HttpResponse(self.body, headers=self.headers)


_kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
_lock = Lock()


def version_of_board(competition_id: int) -> Version | None:
    """Return what changes whenever an answer about the newest board does."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSION, [competition_id])
        version: Version | None = cursor.fetchone()
    return version


def _snapshot() -> str:
    """Return what the database sees now."""
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT)
        snapshot: str = cursor.fetchone()[0]
    return snapshot


def keeps_board(view: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answer strangers' GETs of a board from memory while they are still right.

    The view tells what its answer rests on in `response.rests_on`, a competition's id
    and the version that was read before its rows.
    """

    @wraps(view)
    def wrapped(request: HttpRequest) -> Any:
        if request.method != "GET" or is_known(request.user):
            return view(request)
        asked = request.META.get("QUERY_STRING", ""), request.headers.get("Accept", "")
        kept = _kept.get(asked)
        if kept is not None and kept.is_right():
            return kept.response()
        response = view(request)
        _keep(asked, response)
        return response

    return wrapped


def _keep(asked: tuple[str, str], response: Any) -> None:
    competition_id, version = getattr(response, "rests_on", (0, None))
    # A link has the address in it under which the site was asked.
    if version is None or response.status_code != 200 or "Link" in response:
        return
    response.render()
    set_response_etag(response)
    headers = dict(response.items())
    with _lock:
        _kept[asked] = Kept(competition_id, version, headers, response.content)
        _kept.move_to_end(asked)
        if len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
