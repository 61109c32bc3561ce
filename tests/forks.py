"""A plugin of pytest that tries many changes of code in one loaded session.

tests/mutants.py starts it. Django, the tests and the empty database are made ready
once. For each change the process forks, and the copy puts the changed code under the
functions that are there, runs the tests of the change until one fails, and ends. No
file is changed. What a copy cannot show is left to the slower way of tests/mutants.py:
a change outside of functions, or one that only a process of its own would read.
"""

import gc
import json
import os
import select
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from django.db import connections

from feeds.tape.engine import dispose
from tests.mutants import ROOT, Mutant, read_list

# The limit of a whole attempt; each test has its own (pytest-timeout).
_LIMIT_S = 300.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutants", help="places in the list, with commas between")
    parser.addoption("--mutants-to", type=Path, help="the file that takes the outcomes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Try the changes, and write what came of it, a line of JSON for each.

    The first one lists the tests that fail without a change, the others are
    `[place, the test that failed or null]`.
    """
    session.config.pluginmanager.register(_failures, "failures of forks")
    session._setupstate.setup(session)
    with warnings.catch_warnings(action="ignore"):  # the item itself is not set up
        session.items[0]._request.getfixturevalue("django_db_setup")
    config, listed = session.config.option, read_list()
    told = _in_fork(lambda: "\n".join(_failures_of(session, session.items)), None)
    if told is None:
        raise pytest.UsageError("without a change, the tests come to no end")
    # What fails without a change notices nothing.
    broken = told.splitlines()
    session.items = [item for item in session.items if item.nodeid not in broken]
    with config.mutants_to.open("w") as out:
        print(json.dumps(broken), file=out, flush=True)
        for place in map(int, config.mutants.split(",")):
            failed = _in_fork(lambda place=place: _try(session, listed[place]))
            print(json.dumps([place, failed or None]), file=out, flush=True)
    session._setupstate.teardown_exact(None)
    return True


class _Failures:
    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


_failures = _Failures()


def _try(session: pytest.Session, mutant: Mutant) -> str:
    if not put_under(mutant):
        return ""
    items = [item for item in session.items if names(mutant, item)]
    return "".join(_failures_of(session, items, stop=True)[:1])


def names(mutant: Mutant, item: pytest.Item) -> bool:
    """Say whether a test is one that should fail with the change."""
    return any(
        item.nodeid == test or item.nodeid.startswith((f"{test}[", f"{test}::"))
        for test in mutant.tests
    )


def _failures_of(
    session: pytest.Session, items: list[pytest.Item], *, stop: bool = False
) -> list[str]:
    for item in items:
        # The session as what comes next keeps the database.
        item.ihook.pytest_runtest_protocol(item=item, nextitem=session)
        if stop and _failures.names:
            break
    return _failures.names


def _in_fork(work: Callable[[], str], limit: float | None = _LIMIT_S) -> str | None:
    """Do work in a copy of this process; its answer, None if it comes to no end."""
    dispose()
    connections.close_all()
    reader, writer = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # threads: none holds a lock here
        child = os.fork()
    if not child:
        os.setpgid(0, 0)
        try:
            os.write(writer, f"did{work()}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], limit)
        answer = os.read(reader, 60_000).decode() if ready else ""
        return answer.removeprefix("did") if answer else None
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def put_under(mutant: Mutant) -> bool:
    """Put the changed code under the loaded functions; False if that is not enough."""
    import_module(".".join(Path(mutant.file).with_suffix("").parts))
    path = str(ROOT / mutant.file)
    old = compile(Path(path).read_text(), path, "exec")
    new = compile(mutant.applied(ROOT), path, "exec")
    try:
        changed = dict(_changed_functions(old, new))
    except ValueError:
        return False
    gc.unfreeze()  # what a process has set aside when it began is listed, too
    loaded = [
        thing
        for thing in gc.get_objects()
        if type(thing) is FunctionType  # isinstance would ask lazy objects
        and thing.__code__.co_filename == path
        and thing.__code__ in changed
    ]
    try:
        for function in loaded:
            function.__code__ = changed[function.__code__]
    except ValueError:  # it closes over other names
        return False
    return bool(loaded)


def _changed_functions(
    old: CodeType, new: CodeType
) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the functions that differ, old and new; ValueError if other code does."""
    names = [code.co_name for code in _inner(old)]
    is_alike = names == [code.co_name for code in _inner(new)]
    if _is_run_at_import(old) and not (is_alike and _own(old) == _own(new)):
        raise ValueError(old.co_qualname)
    for before, after in zip(_inner(old), _inner(new), strict=True) if is_alike else ():
        if before != after and not _is_run_at_import(before):
            yield before, after
        yield from _changed_functions(before, after)


def _inner(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    consts = tuple(c for c in code.co_consts if not isinstance(c, CodeType))
    return code.co_code, consts, code.co_names


def _is_run_at_import(code: CodeType) -> bool:
    """Say whether code is a module's or a class's body rather than a function's."""
    return not code.co_flags & 0x2  # CO_NEWLOCALS
