"""Back to an earlier version, verified before and after."""

from datetime import date, timedelta

import pytest
from django.core.management import call_command

from core.errors import OperatorError
from livepool import artifacts
from livepool.errors import PublishError, RollbackError
from livepool.models import Release
from livepool.release import publish as release
from livepool.release import rollback, schedule
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

THIRD = date(2026, 3, 31)
JANUARY, FEBRUARY = "2026-01-31-core_major", "2026-02-28-core_major"
MARCH = "2026-03-31-core_major"


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


@pytest.fixture
def fail_late(monkeypatch):
    """Publish, and fail after readers have seen the release."""

    def refused(*args):
        raise PublishError("a consumer does not accept it")

    def fail(folder, stores, as_of, **options):
        with monkeypatch.context() as patched:
            patched.setattr(release, "check_as_consumer", refused)
            with pytest.raises(PublishError, match="does not accept it"):
                publish(folder, stores, as_of, **options)

    return fail


def revisions(version):
    rows = Release.objects.filter(version=version).newest_first()
    return list(rows.values_list("revision", "status"))


@pytest.mark.parametrize("status", ["FAILED", "PENDING"])
def test_a_version_that_readers_saw_before_it_failed_does_not_come_back(
    tmp_path, both, fail_late, status
):
    folder = put(tmp_path, THIRD, OLD)
    fail_late(folder, both, THIRD)
    Release.objects.filter(version=MARCH).update(status=status)  # PENDING: killed
    with frozen(artifacts.completed_at(THIRD) + timedelta(days=2)):
        rollback.rollback(version=FEBRUARY, reason="LTC was halted", stores=both)
        with pytest.raises(PublishError, match="was withdrawn"):
            release.publish(folder=folder, stores=both)
    withdrawn = Release.objects.get(version=MARCH)
    assert (withdrawn.status, withdrawn.reason) == ("WITHDRAWN", "LTC was halted")
    assert schedule.has_release(THIRD)
    assert both.documents.read().payload["version"] == FEBRUARY


def test_a_version_that_failed_before_readers_saw_it_is_still_published(
    tmp_path, both, monkeypatch
):
    def away(*args, **kwargs):
        raise StoreError("away")

    folder = put(tmp_path, THIRD, OLD)
    with monkeypatch.context() as patched:
        patched.setattr(both.documents, "write", away)
        with pytest.raises(StoreError):
            publish(folder, both, THIRD)
    rollback.rollback(version=JANUARY, reason="LTC was halted", stores=both)
    publish(folder, both, THIRD)
    assert Release.objects.current().version == MARCH


def test_a_version_that_failed_late_can_be_made_current(tmp_path, both, fail_late):
    fail_late(put(tmp_path, THIRD, OLD), both, THIRD)
    with frozen(artifacts.completed_at(THIRD) + timedelta(days=2)):
        rollback.rollback(version=MARCH, reason="it is right", stores=both)
    row = Release.objects.current()
    assert (row.version, row.published_at) == (MARCH, row.activated_at)


def test_a_revision_that_failed_late_can_be_made_current(tmp_path, both, fail_late):
    fail_late(put(tmp_path, SECOND, OLD), both, SECOND, revise=True, reason="candle")
    rollback.rollback(version=FEBRUARY, reason="it is right", stores=both)
    assert revisions(FEBRUARY) == [(1, "PUBLISHED"), (0, "REVISED")]
    assert Release.objects.current().symbols == OLD[:5]


def test_bytes_that_only_the_store_knows_get_a_revision(both):
    both.releases.replace_release(JANUARY, pool_of(FIRST, NEW))
    rollback.rollback(version=JANUARY, reason="an old backup", stores=both)
    assert revisions(JANUARY) == [(1, "PUBLISHED"), (0, "REVISED")]
    assert Release.objects.current().symbols == NEW[:5]
