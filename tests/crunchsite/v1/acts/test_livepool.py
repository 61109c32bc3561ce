"""The live pool over /api/v1/: a due release is published, an earlier one put back."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from crunchsite.operator import previews
from livepool import artifacts
from livepool.models import Release
from livepool.release import publish
from tests.livepool.conftest import env as env  # noqa: PLC0414  a fixture
from tests.livepool.conftest import frozen, local_stores
from tests.livepool.release.test_publish import FIRST, NEW, OLD, SECOND, put, read

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
JANUARY, FEBRUARY = "2026-01-31-core_major", "2026-02-28-core_major"
WHY = {"reason": "LTC was halted"}
BACK = f"releases/{JANUARY}/roll-back"


@pytest.fixture
def site(tmp_path, env):
    """Two releases are published in the site's own store."""
    env(livepool_store_dir=tmp_path / "store", livepool_output_dir=tmp_path / "output")
    for as_of, symbols in ((FIRST, OLD), (SECOND, NEW)):
        with frozen(artifacts.completed_at(as_of) + timedelta(hours=3)):
            publish.publish(folder=put(tmp_path, as_of, symbols))
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=1)):
        yield local_stores(tmp_path / "store")


def test_a_rollback_is_previewed_then_done_by_its_token(operator, site):
    shown = operator.post(BACK, WHY).json()
    assert (shown["is_applied"], shown["previous_version"]) == (False, FEBRUARY)
    assert (shown["entered"], shown["left"]) == (
        ["BCHUSDT", "NEARUSDT"],
        ["LTCUSDT", "LINKUSDT"],
    )
    assert read(site).symbols == tuple(NEW[:5])
    done = operator.post(BACK, {**WHY, "token": shown["token"]})
    assert (done.status_code, done.json()["is_applied"]) == (200, True), done.json()
    assert read(site).symbols == tuple(OLD[:5])
    entry = LogEntry.objects.latest("pk")
    assert entry.change_message == (
        f"Rolled back from {FEBRUARY} to {JANUARY}: LTC was halted"
    )
    assert Release.objects.get(version=FEBRUARY).actor == entry.user.username
    again = operator.post(BACK, {**WHY, "token": shown["token"]})
    assert (again.status_code, again.json()["code"]) == (409, "preview_stale")


def test_a_token_is_good_for_what_was_previewed_alone(operator, site, monkeypatch):
    token = operator.post(BACK, WHY).json()["token"]
    for changes in (
        {"token": "x"},
        {"token": f"{token}x"},
        {"token": token, "allow_stale": True},
    ):
        answer = operator.post(BACK, {**WHY, **changes})
        assert (answer.status_code, answer.json()["code"]) == (409, "preview_stale")
    monkeypatch.setattr(previews, "PREVIEW_IS_GOOD_FOR_S", -1)
    answer = operator.post(BACK, {**WHY, "token": token})
    assert answer.json()["code"] == "preview_stale"
    assert read(site).symbols == tuple(NEW[:5])


def test_an_unknown_version_is_refused(operator, site):
    answer = operator.post("releases/2020-01-31-core_major/roll-back", WHY)
    told = (answer.status_code, answer.json()["code"])
    assert told == (409, "livepool_rollback_refused")


def test_what_is_published_is_not_published_again(operator, site):
    answer = operator.post("releases/publish", WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "livepool_not_due")


def test_what_is_due_is_published(operator, site, monkeypatch):
    """The build itself is tests/livepool/release/test_schedule.py's."""
    done = publish.Publication(
        version=FEBRUARY,
        symbols=tuple(NEW[:5]),
        previous_version=JANUARY,
        previous=tuple(OLD[:5]),
        dry_run=False,
        changed=True,
    )
    monkeypatch.setattr(
        "crunchsite.v1.acts.livepool.schedule.publish_due", lambda *, actor: done
    )
    answer = operator.post("releases/publish", WHY)
    assert (answer.status_code, answer.json()["version"]) == (201, FEBRUARY)
    entry = LogEntry.objects.latest("pk")
    assert entry.change_message == f"Published {FEBRUARY}. Reason: LTC was halted"


def test_no_key_of_one_competition_comes_here(program, world, site):
    bound = program("write:operate", competition=world.competition)
    assert bound.post(BACK, WHY).status_code == 403
    assert bound.post("releases/publish", WHY).status_code == 403
