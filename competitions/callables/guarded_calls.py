"""Call the operator's own code: with a time limit, checked, failures recorded.

Whatever a competition uses of the operator's code (a slot, a callable of its contract,
a metric) may raise, hang, end the process or return nonsense. `GuardedCalls` give it a
time limit and check its answer; a failure is stored in a row that operators see until
the callable works again. The caller decides what replaces a failed answer;
docs/operator/callables.md lists it.
"""

from collections.abc import Callable, Hashable
from copy import copy
from typing import Any

import structlog
from django.db import connection
from pydantic import ValidationError

from competitions.callables.slot_answers import first_problem
from competitions.errors import CompetitionError
from competitions.models import CallableFailure, Competition
from competitions.slots import Wiring
from core import clock
from core.deadline import in_time
from core.texts import describe, message_of, readable

log = structlog.get_logger(__name__)

# How long, in real time, one call may take.
PATIENCE_S = 10.0
# Failures of a competition as a whole are stored under these names.
CHECKS = WIRING, TRIAL = ("wiring", "trial")
# Limits of the columns of a failure's row.
_LONGEST_NAME, _LONGEST_PATH = 120, 300


class CallableError(CompetitionError):
    """The operator's code failed; the text says which, and how."""

    code = "callable_failed"


class GuardedCalls:
    """Call the operator's callables of one competition, for one piece of work.

    They remember their answers by key. `sealed` returns calls that repeat these and
    run nothing, for use while a lock is held. `failed` names the callables that
    failed, in order.
    """

    def __init__(self, competition: Competition) -> None:
        self._competition = competition
        self._answers: dict[Hashable, Any] = {}
        self._is_sealed = False
        self._failing: set[str] | None = None
        self.failed: list[str] = []

    @property
    def competition(self) -> int:
        """Return the key of the competition."""
        return self._competition.pk

    def sealed(self) -> "GuardedCalls":
        """Return calls that repeat the remembered answers and run nothing."""
        guarded = copy(self)
        guarded._is_sealed = True  # noqa: SLF001  its own class
        return guarded

    def call(
        self,
        name: str,
        path: str,
        function: Callable[[], Any],
        *,
        check: Callable[[Any], Any] = lambda answer: answer,
        key: Hashable = None,
        patience_s: float | None = None,
    ) -> Any:
        """Call, and return the answer as `check` returns it; raises CallableError.

        `key` distinguishes the calls of one callable: while one of them hangs, the
        others go on. The caller must hold no lock and have no open transaction, unless
        these calls are sealed.
        """
        place = (name, key)
        if self._is_sealed:
            if place not in self._answers:
                self._note(name)
                raise CallableError(f"{name} ({path}) gave no answer in time for this.")
            return self._answers[place]
        try:
            answer = check(
                in_time(
                    function,
                    patience_s or PATIENCE_S,
                    key=(self._competition.pk, name, path),
                    part=key,
                )
            )
        except Exception as error:
            self.fail(name, path, error)
            raise CallableError(f"{name} ({path}): {_message(error)}") from error
        self._answers[place] = answer
        self._succeed(name)
        return answer

    def call_slot(
        self,
        wiring: Wiring,
        slot: str,
        *args: Any,
        check: Callable[[Any], Any] = lambda answer: answer,
        context: Any = None,
        key: Hashable = None,
        patience_s: float | None = None,
    ) -> Any:
        """Call a slot; the engine's own callables need no deadline."""
        if wiring.is_default(slot):
            return check(wiring.call(slot, *args, context=context))
        return self.call(
            slot,
            wiring.paths[slot],
            lambda: wiring.call(slot, *args, context=context),
            check=check,
            key=key,
            patience_s=patience_s,
        )

    def fail(self, name: str, path: str, error: BaseException) -> None:
        """Record a failure where operators see it."""
        self._note(name)
        is_ours = isinstance(error, ValidationError)
        text = _message(error) if is_ours else describe(error)
        log.warning(
            "callable.failed",
            competition=self._competition.slug,
            callable=name,
            path=readable(path, limit=_LONGEST_PATH),
            error=text,
        )
        keep_failure(self._competition, name=name, path=path, text=text)
        self._known_failing().add(name)

    def _note(self, name: str) -> None:
        if name not in self.failed:
            self.failed.append(name)

    def _succeed(self, name: str) -> None:
        if name in self._known_failing():
            self._known_failing().discard(name)
            forget_failure(self._competition, name)

    def _known_failing(self) -> set[str]:
        if self._failing is None:
            rows = CallableFailure.objects.filter(competition=self._competition)
            self._failing = set(rows.values_list("callable", flat=True))
        return self._failing


class Outcomes:
    """Collect failures and successes while locks are held; `keep` writes them after."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[str, str]] = {}
        self._worked: set[str] = set()

    def failed(self, name: str, path: str, text: str) -> None:
        """Note a failure; only the first of each callable is written."""
        self._failed.setdefault(name, (path, text))

    def worked(self, name: str) -> None:
        """Note a success; it counts when no call of the same callable failed."""
        self._worked.add(name)

    def keep(self, competition: Competition) -> None:
        """Write the failures, and delete those of callables that work again."""
        for name, (path, text) in self._failed.items():
            keep_failure(competition, name=name, path=path, text=text)
        if well := self._worked - self._failed.keys():
            forget_failure(competition, *well)


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return f"it does not fit: {first_problem(error)}"
    return message_of(error)


def keep_failure(competition: Competition, *, name: str, path: str, text: str) -> None:
    """Count a failure in the callable's row, or insert the row."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO callable_failures AS failure
                (competition_id, callable, path, first_at, last_at, count, text)
            VALUES (%(competition)s, %(name)s, %(path)s, %(now)s, %(now)s, 1, %(text)s)
            ON CONFLICT (competition_id, callable) DO UPDATE SET
                path = excluded.path, text = excluded.text, count = failure.count + 1,
                -- A clock that was ahead may have noted the first.
                first_at = least(failure.first_at, excluded.first_at),
                last_at = excluded.last_at
            """,
            {
                "competition": competition.pk,
                "name": readable(name, limit=_LONGEST_NAME),
                "path": readable(path, limit=_LONGEST_PATH),
                "text": readable(text),
                "now": now,
            },
        )


def forget_failure(competition: Competition, *names: str) -> None:
    """Delete the failures of callables that work again."""
    CallableFailure.objects.filter(competition=competition, callable__in=names).delete()


def forget_unwired(competition: Competition, wiring: Wiring) -> None:
    """Delete failures of callables that `wiring` does not call, in two statements.

    The other rows stay: the start of a worker repairs no callable.
    """
    wired = {
        (readable(name, limit=_LONGEST_NAME), readable(path, limit=_LONGEST_PATH))
        for name, path in wiring.named()
    }
    gone = [
        row.pk
        for row in competition.callable_failures.exclude(callable__in=CHECKS)
        if (row.callable, row.path) not in wired
    ]
    if gone:
        CallableFailure.objects.filter(pk__in=gone).delete()
