"""Refusals: one tree, and a catalogue that lists every code with its status."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import competitions
import core
import crunchsite
import emissions
import feeds
import livepool
import proofs
import scoring
from core.errors import OperatorError

APPS = (core, feeds, competitions, scoring, emissions, livepool, proofs, crunchsite)
CATALOGUE = Path(__file__).resolve().parents[2] / "docs/integrator/errors.md"
# Not imported: they run something, or need what only the development packages have.
UNREAD = re.compile(r"__main__|\.migrations|\.settings\.|\.examples|\.alembic")
# These never reach a person: what raises them and what catches them are neighbours,
# and the one who catches says it in words of its own.
INSIDE = {
    "core.tlog.errors.LogFormatError": "the log is pure; who shows a receipt answers",
    "core.tlog.errors.ProofError": "the same",
    "core.tlog.errors.UnknownSignerError": "the same",
    "core.tlog.errors.UnprovenKeyError": "the same",
    "core.timestamps.TimestampInvalidError": "becomes the reason of a TimestampError",
    "core.deadline.Late": "a deadline passed; the guarded call says whose",
    "core.deadline.StillAtWork": "as Late, while the work of the last time goes on",
    "core.imports.NotImportable": "a reason, put into a refusal of a slot or contract",
    "core.parsing.JsonError": "a reason, put into the refusal of a file or an answer",
    "competitions.gateway.wire.AnswerError": "becomes the failure of one prediction",
    "competitions.local_models.servicer._BadImplementationError": "answers gRPC",
    "competitions.local_models.trees._NoLocksError": "nothing is taken for an orphan",
    "competitions.local_models.variants.UnsendableError": "a participant's own error",
    "competitions.scaffold.render._UnknownNameError": "the refusal names the template",
    "competitions.rounds.build_question.NoInputError": "the reason of one round",
    "feeds.backfill._LostError": "another process has taken the job",
    "feeds.backfill._PutOffError": "the job waits until it is asked for again",
    "livepool.release.release_files.UnreadableError": "becomes one line of a report",
    "livepool.reader.live_pool.PoolError": "the reader is used without this project",
}


def _modules():
    for app in APPS:
        yield app
        for found in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            if not UNREAD.search(found.name):
                yield importlib.import_module(found.name)


def _errors():
    """Every exception class that a module of ours defines, by its dotted name."""
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for module in _modules()
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == module.__name__
    }


@pytest.fixture(scope="module")
def errors():
    return _errors()


def test_every_exception_stands_in_the_tree_or_stays_inside(errors):
    outside = {
        name
        for name, kind in errors.items()
        if not issubclass(kind, OperatorError)
        and not kind.__module__.startswith("core.refusals")
        and not kind.__module__.startswith("core.requests")
    }
    assert outside == set(INSIDE)


def test_the_catalogue_lists_each_code_with_its_status(errors):
    listed = {
        code: status
        for codes, status in re.findall(
            r"^\| ([^|]+) \| ([\d, ]+) \|", CATALOGUE.read_text(), re.MULTILINE
        )
        for code in re.findall(r"`(\w+)`", codes)
    }
    refusals = [e for e in errors.values() if issubclass(e, OperatorError)]
    codes = {e.code: str(e.status) for e in refusals if e is not OperatorError}
    assert {code: listed.get(code) for code in codes} == codes


def test_a_code_has_one_meaning(errors):
    codes = [
        e.__dict__["code"]
        for e in errors.values()
        if issubclass(e, OperatorError) and "code" in e.__dict__
    ]
    assert sorted(codes) == sorted(set(codes))
