import io
import time
import uuid
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from feeds import backfill, backfill_jobs, tasks
from feeds.errors import FeedError, ProviderError, TapeError
from feeds.models import BackfillJob
from feeds.providers.simulated import Simulated
from feeds.tape import parquet, reads
from feeds.tape.engine import transaction
from tests.conftest import NOW
from tests.feeds.conftest import SPAN, start
from tests.feeds.factories import KEY, full_disk

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")

MINUTES = 300


@pytest.fixture(autouse=True)
def store(tmp_path, env):
    env(backfill_data_dir=tmp_path / "backfill")
    return tmp_path / "backfill"


@pytest.fixture
def each_page(monkeypatch):
    """Save after every page."""
    monkeypatch.setattr(backfill, "SAVE_EVERY_S", -1.0)


def count():
    with transaction() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records"))


def fail_after(monkeypatch, pages, error):
    """The exchange raises `error` once it has served this many pages."""
    fetch, served = Simulated.fetch, []

    def failing(self, request):
        if len(served) >= pages:
            raise error
        served.append(request)
        return fetch(self, request)

    monkeypatch.setattr(Simulated, "fetch", failing)
    return served


def test_a_job_fills_the_tape_and_is_completed():
    job = start()
    assert backfill.run(job_id=job.pk) is False
    job.refresh_from_db()
    assert job.status == "completed"
    assert (job.records_written, job.pages_fetched) == (MINUTES, 6)
    assert job.progress_pct == 100.0
    assert count() == MINUTES
    assert reads.watermark(key=KEY) is None  # history says nothing about the newest


def test_a_job_fills_parquet_files(store):
    job = start("parquet")
    backfill.run(job_id=job.pk)
    table = pq.read_table(store / "simulated/BTCUSDT/candle/1m")
    assert table.num_rows == MINUTES
    assert count() == 0


def test_a_job_fills_both(store):
    backfill.run(job_id=start("both").pk)
    assert pq.read_table(store / "simulated/BTCUSDT/candle/1m").num_rows == MINUTES
    assert count() == MINUTES


def test_a_killed_job_goes_on_from_its_cursor(monkeypatch, at, each_page):
    job = start()
    with monkeypatch.context() as patch:
        fail_after(patch, 3, SystemExit())
        patch.setattr(backfill, "_give_up", lambda *_: None)  # SIGKILL says nothing
        with pytest.raises(SystemExit):
            backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, count()) == ("running", 150)
    assert job.progress_pct == 50.0
    assert backfill.run(job_id=job.pk) is False  # still leased: nothing happens
    assert count() == 150
    with at(NOW + timedelta(seconds=61)):
        served = fail_after(monkeypatch, 99, SystemExit())
        backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, count(), job.records_written) == ("completed", 300, 300)
    assert served[0].start == SPAN["start_at"] + timedelta(minutes=150)


def test_an_interrupted_command_goes_on(monkeypatch, each_page, capsys):
    arguments = {
        "source": "simulated",
        "subject": "BTCUSDT,ETHUSDT",
        "start": SPAN["start_at"].isoformat(),
        "end": SPAN["end_at"].isoformat(),
        "page_size": 50,
    }
    with monkeypatch.context() as patch:
        fail_after(patch, 8, KeyboardInterrupt())
        with pytest.raises(CommandError, match="stopped"):
            call_command("backfill", **arguments)
    assert count() == 400
    out = io.StringIO()
    served = fail_after(monkeypatch, 99, KeyboardInterrupt())
    call_command("backfill", **arguments, stdout=out)
    assert count() == 2 * MINUTES
    eth = [request for request in served if request.subject == "ETHUSDT"]
    assert eth[0].start == SPAN["start_at"] + timedelta(minutes=100)
    assert "ETHUSDT:candle:1m: 300 records" in out.getvalue()
    assert "continuing from" in capsys.readouterr().err


def test_a_cancelled_job_stops_at_its_next_save(monkeypatch, each_page):
    job = start()
    seen = []

    def cancel(running):
        seen.append(running.cursor_at)
        backfill_jobs.cancel(job_id=job.pk)

    assert backfill.run(job_id=job.pk, on_progress=cancel) is False
    job.refresh_from_db()
    assert (job.status, len(seen)) == ("cancelled", 1)
    assert count() == 100  # the page under way was kept
    with pytest.raises(backfill_jobs.BackfillOverError, match="cancelled"):
        backfill_jobs.cancel(job_id=job.pk)


@pytest.fixture
def flaky(monkeypatch):
    """The exchange is busy at the second and third question."""
    fetch, calls = Simulated.fetch, []

    def answer(self, request):
        calls.append(request)
        if len(calls) in (2, 3):
            raise ProviderError("busy", retry_after_s=7 if len(calls) == 2 else None)
        return fetch(self, request)

    monkeypatch.setattr(Simulated, "fetch", answer)


def test_a_busy_provider_puts_the_job_off_and_no_worker_sleeps(
    flaky, each_page, jumping, monkeypatch
):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("a worker sleeps"))
    job = start()
    for wait_s in (7, 4):
        tasks.run_backfill_job(str(job.pk))
        job.refresh_from_db()
        assert (job.status, job.error) == ("pending", "busy")
        assert (job.records_written, backfill_jobs.waits_s(job)) == (50, wait_s)
        assert not BackfillJob.objects.orphaned(jumping.now()).exists()
        tasks.run_backfill_job(str(job.pk))  # not before its time
        jumping.tick(wait_s + 0.001)
    tasks.run_backfill_job(str(job.pk))
    job.refresh_from_db()
    assert (job.status, job.error, count()) == ("completed", "", MINUTES)


def test_the_command_waits_for_a_busy_provider(flaky, each_page, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    err = io.StringIO()
    call_command(
        "backfill",
        *("--source=simulated", "--subject=BTCUSDT", "--page-size=50"),
        f"--from={SPAN['start_at'].isoformat()}",
        f"--to={SPAN['end_at'].isoformat()}",
        stderr=err,
    )
    assert (count(), waits) == (MINUTES, [7.0, 4.0])
    assert "busy; asked again in 7 s" in err.getvalue()


def test_a_provider_that_stays_down_fails_the_job(monkeypatch, jumping):
    fail_after(monkeypatch, 0, ProviderError("down"))
    job = start()
    for _ in range(backfill.RETRIES):
        assert backfill.run(job_id=job.pk) is False
        jumping.tick(60)
    with pytest.raises(ProviderError, match="down"):
        backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, job.error, count()) == ("failed", "down", 0)


def test_failures_with_progress_between_them_do_not_add_up(
    each_page, monkeypatch, jumping
):
    """An exchange that is busy at every other question is slow, not down."""
    fetch, asked = Simulated.fetch, []

    def answer(self, request):
        asked.append(request)
        if len(asked) % 2:
            raise ProviderError("busy")
        return fetch(self, request)

    monkeypatch.setattr(Simulated, "fetch", answer)
    monkeypatch.setattr(backfill, "RETRIES", 2)
    job = start()
    for _ in range(20):
        backfill.run(job_id=job.pk)
        job.refresh_from_db()
        jumping.tick(2)  # after one failure in a row
    assert (job.status, count()) == ("completed", MINUTES)


def test_a_provider_that_gives_fewer_than_asked_is_asked_on(monkeypatch):
    fetch = Simulated.fetch
    monkeypatch.setattr(Simulated, "fetch", lambda self, r: fetch(self, r)[:30])
    job = start()
    backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, count(), job.pages_fetched) == ("completed", MINUTES, 10)


def test_the_candle_in_the_making_is_no_history(at, store):
    with at(NOW + timedelta(seconds=30)):
        now = NOW + timedelta(seconds=30)
        job = start("both", start_at=NOW - timedelta(minutes=3), end_at=now)
        backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.records_written, count()) == (3, 3)
    assert pq.read_table(store / "simulated/BTCUSDT/candle/1m").num_rows == 3


def test_a_failure_is_recorded_and_the_job_can_be_resumed(monkeypatch, store):
    def full(records):
        raise OSError(28, "No space left on device")

    job = start("parquet")
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "write", full)
        with pytest.raises(OSError, match="No space left"):
            backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "No space left" in job.error
    assert start("parquet").pk == job.pk
    backfill.run(job_id=job.pk)
    assert pq.read_table(store / "simulated/BTCUSDT/candle/1m").num_rows == MINUTES


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_under_the_tape_leaves_what_was_safe_and_can_be_resumed(each_page):
    job = start()
    with full_disk(after_rows=120), pytest.raises(TapeError, match="No space left"):
        backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert job.status == "failed"
    assert job.error == (
        "the tape's database failed: could not extend file: No space left on device"
    )
    assert (count(), job.records_written) == (100, 100)  # two pages, nothing of a third
    assert start().pk == job.pk
    backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (count(), job.records_written, job.error) == (MINUTES, MINUTES, "")


def test_a_running_job_is_taken_over_by_the_same_command_alone():
    job = start()
    held = backfill._claim(job.pk)
    with pytest.raises(backfill_jobs.BackfillActiveError):
        start()
    assert start(take_over=True).pk == job.pk
    with pytest.raises(backfill._LostError):
        backfill._save(held, pages_fetched=1)


def test_a_worker_that_lost_its_job_neither_moves_nor_ends_it(each_page):
    """As when it hung for longer than its lease, and another one has begun."""
    job = start()

    def hang(running):
        backfill_jobs.take_back(job_id=job.pk)
        successor.append(backfill._claim(job.pk))

    successor = []
    assert backfill.run(job_id=job.pk, on_progress=hang) is False
    job.refresh_from_db()
    [mine] = successor
    assert (job.status, job.lease) == ("running", mine.lease)
    assert job.cursor_at == mine.cursor_at == SPAN["start_at"] + timedelta(minutes=50)
    assert job.records_written == 50


def test_a_turn_ends_and_the_next_goes_on(each_page):
    job = start()
    assert backfill.run(job_id=job.pk, turn_s=-1.0) is True
    assert count() == 50
    assert backfill.run(job_id=job.pk, turn_s=60.0) is False
    assert count() == MINUTES


def test_orphans_are_taken_up(monkeypatch, at):
    sent = []
    monkeypatch.setattr(
        tasks.run_backfill_job, "apply_async", lambda args, **_: sent.append(args[0])
    )
    job = start()
    tasks.resume_backfills()
    backfill._claim(job.pk)
    tasks.resume_backfills()
    assert sent == [str(job.pk)]
    with at(NOW + timedelta(seconds=61)):
        tasks.resume_backfills()
    assert sent == [str(job.pk)] * 2


def test_the_task_works_the_job_off():
    job = start()
    tasks.run_backfill_job(str(job.pk))
    job.refresh_from_db()
    assert job.status == "completed"
    tasks.run_backfill_job(str(job.pk))  # delivered twice
    tasks.run_backfill_job(str(uuid.uuid4()))


def test_days_are_kept_for_good_and_may_come_from_any_past():
    key = KEY._replace(granularity="1d")
    past = {"start_at": NOW - timedelta(days=999), "end_at": NOW - timedelta(days=2)}
    job = backfill_jobs.start(key=key, **past, sink="tape")
    backfill.run(job_id=job.pk)
    assert count() == 997


def test_the_command_refuses_in_one_line():
    with pytest.raises(FeedError, match="'nyse'; the known sources are"):
        call_command(
            "backfill", source="nyse", subject="A", start="2026-01-01", end="2026-01-02"
        )
    with pytest.raises(FeedError, match="page size was 0; give at least 1"):
        call_command(
            "backfill",
            *("--source=simulated", "--subject=A", "--page-size=0"),
            *("--from=2026-02-01", "--to=2026-02-02"),
        )
    with pytest.raises(ImproperlyConfigured, match="--from was 'soon'"):
        call_command(
            "backfill", source="replay", subject="A", start="soon", end="2026-01-02"
        )
