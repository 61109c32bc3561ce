"""Back to an earlier version, verified before and after."""

from datetime import date, timedelta

import pytest
from django.core.management import call_command

from core.errors import OperatorError
from livepool import artifacts
from livepool.errors import PublishError, RollbackError
from livepool.models import Release
from livepool.release import publish as release
from livepool.release import rollback
from livepool.stores import StoreError
from tests.livepool.conftest import current, frozen, pool_of
from tests.livepool.release.test_publish import (
    FIRST,
    NEW,
    OLD,
    SECOND,
    publish,
    put,
    read,
)

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = "2026-01-31-core_major", "2026-02-28-core_major"


@pytest.fixture
def both(tmp_path, stores):
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    publish(put(tmp_path, SECOND, NEW), stores, SECOND)
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=2)):
        yield stores


def test_the_earlier_version_is_current_again(both):
    done = rollback.rollback(version=JANUARY, reason="LTC was halted", stores=both)
    assert (done.entered, done.left) == (
        ("BCHUSDT", "NEARUSDT"),
        ("LTCUSDT", "LINKUSDT"),
    )
    assert current(both.releases) == pool_of(FIRST, OLD)
    payload = both.documents.read().payload
    assert (payload["version"], payload["as_of_date"]) == (JANUARY, "2026-01-31")
    assert read(both).symbols == tuple(OLD[:5])
    assert Release.objects.current().version == JANUARY
    withdrawn = Release.objects.get(version=FEBRUARY)
    assert (withdrawn.status, withdrawn.reason) == ("WITHDRAWN", "LTC was halted")


def test_a_withdrawn_version_comes_back_only_by_hand(tmp_path, both):
    rollback.rollback(version=JANUARY, reason="halt", stores=both)
    with pytest.raises(PublishError, match="was withdrawn"):
        release.publish(folder=put(tmp_path, SECOND, NEW), stores=both)
    rollback.rollback(version=FEBRUARY, reason="trading again", stores=both)
    assert read(both).symbols == tuple(NEW[:5])
    assert Release.objects.current().version == FEBRUARY


def test_a_preview_changes_nothing(both):
    before = both.documents.path.read_bytes()
    planned = rollback.preview(version=JANUARY, stores=both)
    assert planned.previous_version == FEBRUARY
    assert planned.age_days == 31
    assert both.documents.path.read_bytes() == before


def test_an_unknown_version_is_refused_with_the_known_ones(both):
    with pytest.raises(RollbackError, match=f"known are: {FEBRUARY}, {JANUARY}"):
        rollback.rollback(version="2020-01-01-core_major", reason="x", stores=both)


def test_a_damaged_version_is_refused(both):
    damaged = both.releases.root / "releases" / JANUARY / "live_pool.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"TRX", b"TRY"))
    with pytest.raises(RollbackError, match="does not match the sha256"):
        rollback.rollback(version=JANUARY, reason="x", stores=both)
    assert read(both).symbols == tuple(NEW[:5])


def test_a_version_beyond_its_age_needs_leave(both):
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=30)):
        with pytest.raises(RollbackError, match="days old"):
            rollback.rollback(version=JANUARY, reason="x", stores=both)
        rollback.rollback(version=JANUARY, reason="x", allow_stale=True, stores=both)
    assert both.documents.read().payload["version"] == JANUARY


@pytest.mark.parametrize("step", ["point_current", "write"])
def test_a_failed_rollback_leaves_consumers_where_they_were(both, monkeypatch, step):
    def away(*args, **kwargs):
        raise StoreError("away")

    target = both.documents if step == "write" else both.releases
    monkeypatch.setattr(target, step, away)
    with pytest.raises(StoreError):
        rollback.rollback(version=JANUARY, reason="x", stores=both)
    assert read(both).symbols == tuple(NEW[:5])
    assert Release.objects.current().version == FEBRUARY
    monkeypatch.undo()
    rollback.rollback(version=JANUARY, reason="x", stores=both)
    assert read(both).symbols == tuple(OLD[:5])


def test_a_version_that_only_the_store_knows_gets_its_row(both):
    Release.objects.all().delete()
    rollback.rollback(version=JANUARY, reason="new database", stores=both)
    row = Release.objects.get()
    assert (row.version, row.status, row.as_of_date) == (JANUARY, "PUBLISHED", FIRST)


def test_the_command_previews_and_rolls_back(both, env, capsys):
    folder = both.releases.root.parent
    env(livepool_store_dir=folder)
    call_command("rollback_live_pool", JANUARY, dry_run=True)
    assert f"Would roll back to {JANUARY}" in capsys.readouterr().out
    call_command("rollback_live_pool", JANUARY, reason="halt")
    out = capsys.readouterr().out
    assert "in   BCHUSDT NEARUSDT" in out
    assert read(both).symbols == tuple(OLD[:5])
    with pytest.raises(OperatorError, match="is not in the store"):
        call_command("rollback_live_pool", str(date(2020, 1, 1)))
