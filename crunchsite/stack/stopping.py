"""Turn Ctrl-C, `kill` and a closed terminal into one request to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Python drops interrupts raised in finalizers: seconds until one is raised again.
AGAIN_S = 0.02
REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """Write a line to the terminal, also from a signal's handler.

    Errors are ignored: the terminal may be closed, or its file be on a full disk.
    """
    with suppress(OSError):
        os.write(1, f"{text}\n".encode())


class StopRequests:
    """Counts requests to stop, and says so: the first stops, the third forces.

    What is stopping is never interrupted.
    """

    def __init__(self) -> None:
        self._count = 0
        self._interrupts = False

    def listen(self) -> None:
        for number in REQUESTS:
            is_nohup = signal.getsignal(number) is signal.SIG_IGN
            if number != signal.SIGHUP or not is_nohup:
                signal.signal(number, self._count_one)
        signal.signal(signal.SIGALRM, self._interrupt_again)
        sys.unraisablehook = self._raised_in_vain
        # Suspended, it would leave the parts unsupervised, and their output unread.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)

    def ignore(self) -> None:
        """Ignore later requests: all is stopped, and the exit must stay clean."""
        for number in REQUESTS:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let the first request raise KeyboardInterrupt in this block."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    @property
    def is_stopping(self) -> bool:
        return self._count > 0

    def is_forced(self) -> bool:
        return self._count > 2

    def _count_one(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            say(
                "Stopping before all was up ..." if self._interrupts else "Stopping ..."
            )
        if self._count == 1 and self._interrupts:
            raise KeyboardInterrupt
        if self._count == 2:
            say("Stopping already; a third time ends everything at once.")
        if self._count == 3:
            say("Ending everything at once ...")

    def _raised_in_vain(self, dropped: "sys.UnraisableHookArgs") -> None:
        """Raise the interrupt again if Python dropped it in a finalizer."""
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            sys.__unraisablehook__(dropped)

    def _interrupt_again(self, _number: int, _frame: FrameType | None) -> None:
        if self._interrupts:
            raise KeyboardInterrupt
