"""A release that becomes current stands in the log with the digests of its files."""

import json
from datetime import timedelta

import pytest

from livepool import artifacts
from livepool.models import Release
from livepool.release import rollback
from proofs.models import LogLeaf
from tests.livepool.conftest import frozen
from tests.livepool.conftest import stores as stores  # noqa: PLC0414  a fixture
from tests.livepool.release.test_publish import FIRST, NEW, OLD, SECOND, publish, put

pytestmark = pytest.mark.django_db


def entries():
    leaves = LogLeaf.objects.filter(kind="release").order_by("pk")
    return [json.loads(leaf.text) for leaf in leaves]


def test_a_publication_and_a_rollback_are_entries(tmp_path, stores):
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    first = Release.objects.get()
    (entry,) = entries()
    assert (entry["act"], entry["version"]) == ("published", first.version)
    assert (entry["files"], entry["symbols"]) == (first.checksums, first.symbols)
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)  # again: nothing is new
    publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=2)):
        rollback.rollback(version=first.version, reason="halt", stores=stores)
    assert [(each["act"], each["version"]) for each in entries()] == [
        ("published", first.version),
        ("published", "2026-02-28-core_major"),
        ("rolled_back", first.version),
    ]
