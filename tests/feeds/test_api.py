from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from feeds.api import HIDDEN_FAILURE
from feeds.models import BackfillJob
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import FEED, candle, tape_away

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")

BODY = {
    **FEED,
    "start": (NOW - timedelta(hours=2)).isoformat(),
    "end": (NOW - timedelta(hours=1)).isoformat(),
}


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator", password="x")
    client.force_login(user)
    return client


def test_feeds_say_what_the_tape_holds(client):
    append([candle(-i) for i in range(1, 6)])
    append([candle(-9, subject="ETHUSDT")])
    answer = client.get("/reports/feeds")
    assert answer.json()[0] == {
        **FEED,
        "record_count": 5,
        "oldest_ts": "2026-03-02T11:55:00Z",
        "newest_ts": "2026-03-02T11:59:00Z",
        "watermark_ts": "2026-03-02T11:59:00Z",
        "watermark_updated_at": "2026-03-02T12:00:00Z",
    }
    assert [f["subject"] for f in answer.json()] == ["BTCUSDT", "ETHUSDT"]
    assert len(client.get("/reports/feeds?asset=ETHUSDT").json()) == 1
    assert client.get("/reports/backfill/feeds").json() == answer.json()


def test_the_count_of_records_is_kept_in_step(client):
    for records in ([candle(-1), candle(-1)], [candle(-1, 50.0)], [candle(-2)]):
        append(records)
    assert client.get("/reports/feeds").json()[0]["record_count"] == 2


def test_the_tail_is_newest_first(client):
    append([candle(-i, 100.0 + i) for i in range(1, 31)])
    rows = client.get("/reports/feeds/tail").json()
    assert len(rows) == 20
    assert rows[0] == {
        **FEED,
        "ts_event": "2026-03-02T11:59:00Z",
        "ts_ingested": "2026-03-02T12:00:00Z",
        "is_closed": True,
        "values": candle(-1, 101.0).values,
        "meta": {},
    }


def test_the_tail_is_read_page_by_page_without_loss(client):
    append([candle(-i, subject=s) for i in range(1, 8) for s in ("A", "B", "C")])
    address, seen = "/reports/feeds/tail?limit=4", []
    while address:
        answer = client.get(address)
        seen += [(row["ts_event"], row["subject"]) for row in answer.json()]
        link = answer.headers.get("Link", "")
        address = link[1 : link.index(">")] if link else None
    assert len(seen) == len(set(seen)) == 21
    assert seen == sorted(seen, key=lambda row: (-int(row[0][14:16]), row[1]))


def test_the_tail_is_one_statement(client, tape_statements):
    append([candle(-i, subject=s) for i in range(1, 8) for s in ("A", "B", "C")])
    with tape_statements() as seen:
        client.get("/reports/feeds/tail")
    assert len(seen) == 1


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x"])
def test_a_bad_page_is_refused(client, query):
    answer = client.get(f"/reports/feeds/tail?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(query.partition("=")[0])


def post(client, **changes):
    return client.post(
        "/reports/backfill", {**BODY, **changes}, content_type="application/json"
    )


def test_a_backfill_is_started_once(operator, monkeypatch):
    sent = []
    monkeypatch.setattr("feeds.tasks.run_backfill_job.delay_on_commit", sent.append)
    answer = post(operator)
    assert answer.status_code == 201
    job = answer.json()
    assert (job["status"], job["error"], job["records_written"]) == ("pending", None, 0)
    assert job["cursor_ts"] == job["start_ts"] == "2026-03-02T10:00:00Z"
    assert sent == [job["id"]]
    again = post(operator)
    assert (again.status_code, again.json()["code"]) == (409, "backfill_active")
    assert BackfillJob.objects.count() == 1
    assert LogEntry.objects.get().change_message == "started"

    assert (
        operator.get(f"/reports/backfill/jobs/{job['id']}").json()["progress_pct"] == 0
    )
    assert len(operator.get("/reports/backfill/jobs?status=pending").json()) == 1
    assert operator.get("/reports/backfill/jobs?status=failed").json() == []
    assert operator.get("/reports/backfill/jobs?status=odd").status_code == 422
    cancelled = operator.post(f"/reports/backfill/jobs/{job['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    again = operator.post(f"/reports/backfill/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "backfill_over")


def test_jobs_are_read_page_by_page_without_loss(client, django_assert_num_queries):
    jobs = [
        BackfillJob(
            **{**FEED, "subject": f"S{i}"},
            start_at=NOW - timedelta(hours=1),
            end_at=NOW,
            cursor_at=NOW,
            created_at=NOW - timedelta(minutes=i // 2),  # two at each instant
            updated_at=NOW,
        )
        for i in range(7)
    ]
    BackfillJob.objects.bulk_create(jobs)
    seen, address = [], "/reports/backfill/jobs?limit=3"
    while address:
        with django_assert_num_queries(1):
            answer = client.get(address)
        seen += [job["id"] for job in answer.json()]
        link = answer.get("Link", "")
        address = link[link.find("/reports") : link.find(">")] if link else None
    newest_first = sorted(jobs, key=lambda job: (job.created_at, job.pk), reverse=True)
    assert seen == [str(job.pk) for job in newest_first]
    refused = client.get("/reports/backfill/jobs?cursor=x")
    assert (refused.status_code, refused.json()["code"]) == (422, "cursor_invalid")


def test_the_same_request_takes_up_what_failed(operator, monkeypatch):
    monkeypatch.setattr(
        "feeds.tasks.run_backfill_job.delay_on_commit", lambda job: None
    )
    job = post(operator).json()["id"]
    cursor = NOW - timedelta(minutes=90)
    BackfillJob.objects.update(
        status="failed", error="no disk", cursor_at=cursor, created_at=cursor
    )
    for client, said in ((Client(), HIDDEN_FAILURE), (operator, "no disk")):
        assert client.get("/reports/backfill/jobs").json()[0]["error"] == said
        assert client.get(f"/reports/backfill/jobs/{job}").json()["error"] == said
    again = post(operator)
    assert again.status_code == 201
    assert (again.json()["id"], again.json()["status"]) == (job, "pending")
    assert (again.json()["progress_pct"], again.json()["error"]) == (50.0, None)
    assert BackfillJob.objects.count() == 1
    trail = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(trail) == ["started", "resumed"]


def test_a_tape_that_is_away_is_said_in_one_line(client):
    client.force_login(User.objects.create_superuser("olga"))
    with tape_away():
        answer = client.get("/reports/feeds")
        told = Client().get("/reports/feeds")
    assert answer.status_code == told.status_code == 503
    assert answer.json()["code"] == "tape_failed"
    assert answer.json()["detail"].startswith("the tape's database failed: connection")
    assert "\n" not in answer.json()["detail"]
    assert told.json() == {
        "detail": "The answer is not available now; try again later.",
        "code": "tape_failed",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "nyse"}, "nyse"),
        ({"start": BODY["end"], "end": BODY["start"]}, "before"),
        ({"end": "2036-01-01"}, "future"),
        ({"start": "1970-01-01", "granularity": "1s"}, "give 115 days at most"),
        ({"start": "soon"}, "start"),
        ({"sink": "tape"}, None),
        ({"sink": "moon"}, "moon"),
    ],
)
def test_a_backfill_without_sense_is_refused(operator, monkeypatch, changes, said):
    monkeypatch.setattr("feeds.tasks.run_backfill_job.delay_on_commit", lambda job: job)
    answer = post(operator, **changes)
    if said is None:
        assert answer.status_code == 201
        return
    assert answer.status_code == 422
    assert said in str(answer.json())
    assert not BackfillJob.objects.exists()


def test_visitors_read_but_do_not_write(client, store):
    for address in (
        "/reports/feeds",
        "/reports/feeds/tail",
        "/reports/backfill/feeds",
        "/reports/backfill/jobs",
        "/data/backfill/index",
        store,
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
        list(answer)
    assert post(client).status_code == 401
    job = BackfillJob.objects.create(
        **FEED,
        start_at=NOW - timedelta(hours=1),
        end_at=NOW,
        cursor_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    assert client.post(f"/reports/backfill/jobs/{job.pk}/cancel").status_code == 401


def test_what_is_not_there_is_404(client, store):
    for address in (
        "/reports/backfill/jobs/6f1f0b3e-0000-4000-8000-000000000000",
        store.replace("03-02", "03-03"),
        store.replace("BTCUSDT", "..%2f.."),
        store.replace("2026", "..%2f2026"),
    ):
        assert client.get(address).status_code == 404, address


def test_a_program_may_write_as_the_docs_say(frozen_clock):
    """An operator's session with the CSRF token that its login gave."""
    User.objects.create_superuser("op", password="a long pass phrase")
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")
    answer = client.post(
        "/admin/login/",
        {
            "username": "op",
            "password": "a long pass phrase",
            "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
        },
    )
    assert answer.status_code == 302
    wanted = {
        "source": "simulated",
        "subject": "BTCUSDT",
        "kind": "candle",
        "granularity": "1d",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-02-01T00:00:00Z",
        "sink": "parquet",
    }
    refused = client.post("/reports/backfill", wanted, "application/json")
    assert refused.status_code == 403
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    made = client.post("/reports/backfill", wanted, "application/json", headers=token)
    assert (made.status_code, made.json()["subject"]) == (201, "BTCUSDT")
