"""Backfills over /api/v1/: a job is started once, read, and cancelled."""

import pytest
from django.contrib.admin.models import LogEntry

from feeds.models import BackfillJob

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
ASKED = {
    "source": "simulated",
    "subject": "BTCUSDT",
    "start": "2026-03-02T10:00:00Z",
    "end": "2026-03-02T11:00:00Z",
}


def test_a_job_is_started_once_and_read_and_cancelled(operator, tape):
    first = operator.post("backfills", ASKED, once="b-1")
    assert first.status_code == 201, first.json()
    again = operator.post("backfills", ASKED, once="b-1")
    assert again.json() == first.json()
    job = BackfillJob.objects.get()
    told = operator.get(f"backfills/{job.pk}").json()
    assert (told["status"], told["progress_pct"]) == ("pending", 0.0)
    assert [row["id"] for row in operator.get("backfills").json()] == [str(job.pk)]
    active = operator.post("backfills", {**ASKED, "end": "2026-03-02T11:30:00Z"})
    assert (active.status_code, active.json()["code"]) == (409, "backfill_active")
    cancelled = operator.post(f"backfills/{job.pk}/cancel", {})
    assert cancelled.json()["status"] == "cancelled"
    over = operator.post(f"backfills/{job.pk}/cancel", {})
    assert (over.status_code, over.json()["code"]) == (409, "backfill_over")
    said = list(LogEntry.objects.order_by("-pk").values_list("change_message"))[:2]
    assert said == [("cancelled",), ("started",)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": "moon"}, "unknown_source"),
        ({"end": "2026-03-02T09:00:00Z"}, "bad_range"),
        ({"end": "2030-03-02T09:00:00Z"}, "bad_range"),
        ({"start": 7}, "invalid"),
        ({"start": None}, "null"),
        ({"sink": "moon"}, "invalid_choice"),
        ({"subject": ["x"]}, "invalid"),
    ],
)
def test_what_cannot_be_filled_is_refused(operator, tape, changes, code):
    answer = operator.post("backfills", {**ASKED, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.json()
    assert not BackfillJob.objects.exists()


@pytest.mark.parametrize("job", ["x", "0" * 32])
def test_an_unknown_job_is_404(operator, tape, job):
    assert operator.get(f"backfills/{job}").status_code == 404
    assert operator.post(f"backfills/{job}/cancel", {}).status_code == 404
