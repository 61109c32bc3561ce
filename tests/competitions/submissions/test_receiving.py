"""A submission is checked as a file, counted, owned, and lies in quarantine."""

import json
from datetime import timedelta

import pytest
from django.db import transaction

from competitions.errors import CompetitionError
from competitions.local_models import submission
from competitions.local_models.control import ControlError
from competitions.models import Competition, SubmittedVersion
from competitions.submissions.errors import (
    ModelTakenError,
    QuotaUsedUpError,
    SubmissionsClosedError,
)
from competitions.submissions.quota import quota_of
from competitions.submissions.site_bench import submitted_folder
from tests.competitions.local_models.test_upload import zipped
from tests.conftest import NOW


def contents():
    return sorted(folder.name for folder in submitted_folder().iterdir())


def test_versions_are_counted_and_lie_in_quarantine(alice, settings):
    first, second = alice.submit(), alice.submit("x = 2", message="faster")
    assert [(row.version, row.status) for row in (first, second)] == [
        (1, "QUEUED"),
        (2, "QUEUED"),
    ]
    assert second.message == "faster"
    folder = submitted_folder() / second.content
    assert (folder / "main.py").read_text() == "x = 2"
    assert json.loads((folder / "model.json").read_text()) == {"cruncher": "cr-alice"}
    assert second.code_hash == submission.read(folder).code_hash
    # Hidden from the orchestrator, which runs what it finds.
    assert submission.folders(settings.LOCAL_MODELS_DIR) == {}
    quota = quota_of(alice.cruncher)
    assert (quota.per_day, quota.used, quota.left) == (5, 2, 3)


def test_the_quota_of_a_day_is_used_up_and_begins_again(alice, bram, at):
    for _ in range(5):
        alice.submit()
    with pytest.raises(QuotaUsedUpError, match="5 of 5 submissions of this day"):
        alice.submit()
    assert len(contents()) == 5
    assert bram.submit(model_id="other").version == 1
    SubmittedVersion.objects.filter(version=2).update(
        status="REFUSED", code="check_interrupted", reason="no fault of its own"
    )
    assert quota_of(alice.cruncher).left == 1
    with at(NOW + timedelta(days=1)):
        assert quota_of(alice.cruncher).left == 5


def test_a_day_of_the_quota_ends_at_midnight_utc(alice, at):
    midnight = NOW.replace(hour=0) + timedelta(days=1)
    with at(midnight - timedelta(microseconds=1)):
        for _ in range(5):
            alice.submit()
        assert quota_of(alice.cruncher).resets_at == midnight
        with pytest.raises(QuotaUsedUpError, match="from 2026-03-03 00:00 UTC on"):
            alice.submit()
    with at(midnight):
        assert quota_of(alice.cruncher).left == 5
        assert alice.submit().version == 6
        assert quota_of(alice.cruncher).left == 4
    with at(midnight - timedelta(microseconds=1)):  # of its own day alone
        assert quota_of(alice.cruncher).left == 0


def test_a_name_belongs_to_who_had_it_first(alice, bram, settings):
    alice.submit(model_id="mine")
    folder = settings.LOCAL_MODELS_DIR / "placed"
    folder.mkdir()
    submission.assign(folder, "cr-alice")
    of_rows = alice.cruncher.models.get().model_id
    for name in ("mine", "placed", of_rows):
        with pytest.raises(ModelTakenError, match="another participant has"):
            bram.submit(model_id=name)
    assert alice.submit(model_id="placed").version == 1
    SubmittedVersion.objects.filter(model_id="mine").update(
        status="REFUSED", code="check_setup_failed", reason="it raises"
    )
    assert bram.submit(model_id="mine").version == 2
    assert len(contents()) == 3


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (lambda: zipped([("other.py", "")]), "has no main.py"),
        (lambda: zipped([("main.py", ""), ("../../x.py", "")]), "only files and fold"),
        (
            lambda: zipped([("main.py", ""), ("zeros", b"\0" * (201 * 2**20))]),
            "200 MiB are taken",
        ),
        (lambda: zipped([(f"{n}/main.py", "") for n in range(2001)]), "2000 files"),
        (lambda: "no zip", "no zip that can be unpacked"),
    ],
    ids=["no main", "slip", "bomb", "many", "no zip"],
)
def test_what_is_no_model_leaves_nothing_and_does_not_count(alice, site, file, says):
    with pytest.raises(ControlError, match=says) as refused:
        alice.submit(file(), name="mine.zip")
    assert str(site) not in str(refused.value)
    assert contents() == []
    assert quota_of(alice.cruncher).left == 5


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a" * 101])
def test_a_name_that_is_no_id_is_refused(alice, name):
    with pytest.raises(ControlError, match="model name was"):
        alice.submit(model_id=name, name=f"{name}.py" if name else ".py")


def test_what_is_rolled_back_leaves_no_content(alice, monkeypatch):
    def fail(*_, **__):
        raise CompetitionError("the trail cannot be written")

    monkeypatch.setattr("core.audit.note", fail)
    with pytest.raises(CompetitionError), transaction.atomic():
        alice.submit()
    assert contents() == []
    assert not SubmittedVersion.objects.exists()


def test_a_competition_whose_models_run_elsewhere_takes_none(alice, settings):
    settings.ENV = settings.ENV.model_copy(update={"model_runner_node_host": "far"})
    with pytest.raises(SubmissionsClosedError, match="do not run on this site"):
        alice.submit()
    assert not submitted_folder().exists() or contents() == []


def test_one_that_has_ended_takes_none(alice):
    Competition.objects.update(status="ENDED")
    alice.cruncher.competition.refresh_from_db()
    with pytest.raises(SubmissionsClosedError, match="btc-demo has ended"):
        alice.submit()
