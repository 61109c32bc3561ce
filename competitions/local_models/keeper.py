"""Run a model's process between two of ours, so that no process outlives them.

The keeper is the child of the orchestrator. It waits, checks limits that no control
group enforces, and ends everything when it is told to, or when the orchestrator has
ended. Its child, the guardian, is the first process of the namespace at level 2: when
it ends, the kernel ends all others in the namespace. The guardian's child becomes the
model. A model can neither signal nor inspect the two, except at level 1 without a user
of its own.

Each of the two ends its child if it was stopped (SIGSTOP and its like): a stopped model
answers nobody, and its own check for hung calls is stopped too.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from competitions.local_models import kernel
from competitions.local_models.sandbox import Bounds, Sandbox
from competitions.local_models.usage import descendants, usage_of

WATCH_S = 0.5
END_S = 5.0
TOO_MUCH = 70  # exit code of a model that exceeded a limit
STOPPED = 71  # and of one that was stopped
READY = b"1"
_HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
Announce = Callable[[], None]


def keep_running(
    work: Callable[[Announce], None],
    *,
    sandbox: Sandbox,
    parent: int,
    ready: int | None = None,
) -> NoReturn:
    """Run `work` in a sandbox until it ends, `parent` ends or SIGTERM arrives.

    `work` calls its argument as soon as it listens: its socket's folder is then made
    inaccessible, and READY is written to `ready`. Ends with the same status as the
    work.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    kernel.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the line above
    if sandbox.level == 2:
        kernel.unshare()
    else:
        kernel.adopt_orphans()
    ending, tell_ending = os.pipe()
    guardian = os.fork()
    if guardian == 0:
        os.close(ending)
        _guard(work, sandbox, tell_ending, ready)
    for handle in (tell_ending, *([] if ready is None else [ready])):
        os.close(handle)
    kernel.hide()
    status, excess = _wait(guardian, sandbox.bounds)
    _end_all(guardian, sandbox)
    with suppress(OSError, ValueError):
        os.set_blocking(ending, False)
        status = int(os.read(ending, 16))
    if os.WIFSTOPPED(status):
        by = signal.Signals(os.WSTOPSIG(status)).name
        status, excess = STOPPED << 8, f"it was stopped by {by}, and answered nobody"
    if excess:  # said when the model can no longer fill the pipe
        print(f"ended: {excess}", flush=True)  # noqa: T201  the model's log
    _end_as(status)


def _wait(guardian: int, bounds: Bounds) -> tuple[int, str]:
    """Wait for an end; return its wait status, and the exceeded limit, if any."""
    while True:
        heard = signal.sigtimedwait(_HEARD, WATCH_S)
        if heard is not None and heard.si_signo != signal.SIGCHLD:
            return heard.si_signo, ""
        if (status := _reap().get(guardian)) is not None:
            return status, ""
        if bounds.is_watched and (excess := usage_of(os.getpid()).beyond(bounds)):
            return TOO_MUCH << 8, excess


def _reap() -> dict[int, int]:
    """Return wait statuses of the children that ended or stopped since last time."""
    found = {}
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
            found[ended[0]] = ended[1]
    return found


def _end_all(guardian: int, sandbox: Sandbox) -> None:
    """Kill the model with all that it has started."""
    with suppress(ProcessLookupError):
        os.kill(guardian, signal.SIGKILL)
    if sandbox.level == 1:
        if sandbox.uid:
            _kill_user(sandbox.uid)
        deadline = time.monotonic() + END_S
        while (left := descendants(os.getpid())) and time.monotonic() < deadline:
            for pid in left:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            _reap()
            time.sleep(0.001)
    with suppress(ChildProcessError):
        os.waitpid(guardian, 0)  # the kernel first ends all in its namespace


def _kill_user(uid: int) -> None:
    """Kill all processes of a user at once, before any of them can fork again."""
    killer = os.fork()
    if killer == 0:
        os.setresuid(uid, uid, uid)
        with suppress(OSError):
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)


def _end_as(status: int) -> NoReturn:
    """End this process in the way that a wait status says."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) % 256)


def _guard(
    work: Callable[[Announce], None],
    sandbox: Sandbox,
    tell_ending: int,
    ready: int | None,
) -> NoReturn:
    """Close the sandbox around a child and wait until it ends or stops; then end."""
    kernel.die_with_parent(signal.SIGKILL)
    if _is_closed(tell_ending):
        os._exit(1)  # the keeper died before the line above
    sandbox.build()
    listening, tell_listening = os.pipe()
    model = os.fork()
    if model == 0:
        for handle in (listening, tell_ending, *([] if ready is None else [ready])):
            os.close(handle)
        _work(work, sandbox, tell_listening)
    os.close(tell_listening)
    kernel.hide()
    if os.read(listening, 1) and ready is not None:
        sandbox.take_back()
        os.write(ready, READY)
        os.close(ready)
    while True:
        pid, status = os.waitpid(-1, os.WUNTRACED)
        if pid == model:
            os.write(tell_ending, b"%d" % status)
            os._exit(0)


def _work(
    work: Callable[[Announce], None], sandbox: Sandbox, tell_listening: int
) -> NoReturn:
    os.setsid()  # a signal to its own group would otherwise hit ours
    sandbox.close()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def tell() -> None:
        os.write(tell_listening, READY)
        os.close(tell_listening)

    work(tell)
    os._exit(0)


def _is_closed(pipe: int) -> bool:
    """Return whether nobody reads a pipe any more."""
    poll = select.poll()
    poll.register(pipe, 0)
    return bool(poll.poll(0))
