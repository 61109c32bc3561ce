"""Calls of operators' code that may never come back."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


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
