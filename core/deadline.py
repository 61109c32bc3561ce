"""Call code that may never return, with a time limit."""

import contextvars
import threading
from collections.abc import Callable, Hashable
from typing import Any

from django.db import connections


class Late(Exception):  # noqa: N818  it says what happened
    """The call was still running when its time limit was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took longer than {seconds:g} s")


class StillAtWork(Late):
    """An earlier call of the same code still runs, so the code is not called again."""

    def __init__(self) -> None:
        Exception.__init__(self, "an earlier call of it is still at work")


# How many late calls of one key may run at once.
MOST_LATE = 3

# By key and part.
_at_work: dict[Hashable, dict[Hashable, threading.Thread]] = {}


def in_time(
    call: Callable[[], Any],
    seconds: float,
    *,
    key: Hashable | None = None,
    part: Hashable = None,
) -> Any:
    """Return the call's answer, or raise its exception, or Late.

    The call runs in a separate thread, which continues alone when the call is late.
    Calls with the same `key` do not pile up: while a late one for the same `part` still
    runs, or MOST_LATE for any, the next raises StillAtWork at once.
    """
    late = _at_work.get(key, {})
    for other in [each for each, thread in [*late.items()] if not thread.is_alive()]:
        late.pop(other, None)
    if part in late or len(late) >= MOST_LATE:
        raise StillAtWork
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            outcome.append((None, error))
        finally:
            connections.close_all()  # of this thread alone

    # Its log lines carry the ids of whoever called it.
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(work,), daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        if key is not None:
            _at_work.setdefault(key, {})[part] = thread
        raise Late(seconds)
    answer, error = outcome[0]
    if error is None:
        return answer
    if isinstance(error, Exception):
        raise error
    raise RuntimeError(f"it left with {type(error).__name__}") from error
