"""Calls of operators' code that may never come back."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connections

# How long, on the wall, a scorer may work on one batch. The batch holds locks that
# others wait for, and has to end before its task is stopped.
BUDGET_S = 120.0


class Budget:
    """The time that all calls of a scorer for one batch have in common."""

    def __init__(self) -> None:
        self._until = time.monotonic() + BUDGET_S

    @property
    def left_s(self) -> float:
        """Seconds; 0 when it is spent."""
        return max(self._until - time.monotonic(), 0.0)

    @property
    def reason(self) -> str:
        """Why what has no score when it is spent has none."""
        return f"not scored: the scorer was at work for {BUDGET_S:g} s"


class Late(Exception):  # noqa: N818  it says what happened
    """The call was still at work when its time was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took longer than {seconds:g} s")


def in_time(call: Callable[[], Any], seconds: float) -> Any:
    """The call's answer, or what it raised; raises Late when neither has come in time.

    The call runs in a thread of its own, which is left behind when it is late.
    """
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            outcome.append((None, error))
        finally:
            connections.close_all()  # of this thread alone

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise Late(seconds)
    answer, error = outcome[0]
    if error is None:
        return answer
    if isinstance(error, Exception):
        raise error
    raise RuntimeError(f"it left with {type(error).__name__}") from error
