"""Kill a piece of work before any of its statements and commits.

With DRILLS=1 (`make drills`) before each of them; else before the first and the last of
each kind: a commit, or what a statement does to which table.
"""

import os
import re
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper

FULL = bool(os.environ.get("DRILLS"))


class Killed(BaseException):
    """As a process that is gone: nothing catches it."""


def kind_of(sql):
    """What a statement does to which table: `UPDATE scores`."""
    verb = re.match(r"\W*(\w+)", sql)[1]
    table = re.search(r'(?:FROM|INTO|UPDATE|TABLE|COPY)\s+"?([\w.]+)', sql)
    return f"{verb} {table and table[1]}"


@contextmanager
def killed_at(step):
    """Die before the statement or commit of that number; yields the kinds seen."""
    seen = []

    def is_last(kind):
        seen.append(kind)
        return len(seen) == step

    def statement(execute, sql, *args):
        if is_last(kind_of(str(sql))):
            raise Killed
        return execute(sql, *args)

    def copy(cursor, sql, *args):
        if is_last(kind_of(sql)):
            raise Killed
        return cursor.cursor.copy_expert(sql, *args)

    def commit():
        if is_last("COMMIT"):
            connection.close()  # as the server does when its client is gone
            raise Killed
        committed()

    committed = connection._commit
    connection._commit = commit
    CursorWrapper.copy_expert = copy  # no wrapper of statements is told of COPY
    try:
        with connection.execute_wrapper(statement):
            yield seen
    finally:
        connection._commit = committed
        del CursorWrapper.copy_expert


def dies(step, work):
    """Whether the work was killed at that step."""
    try:
        with killed_at(step):
            work()
    except Killed:
        return True
    return False


def steps_of(work, *, least):
    """Do the work undisturbed; returns the steps at which to kill it.

    `least`: it has more statements than that.
    """
    with killed_at(None) as kinds:
        work()
    assert len(kinds) > least
    assert "COMMIT" in kinds
    if FULL:
        return range(1, len(kinds) + 1)
    first = {kind: step for step, kind in reversed([*enumerate(kinds, 1)])}
    last = {kind: step for step, kind in enumerate(kinds, 1)}
    return sorted({*first.values(), *last.values()})
