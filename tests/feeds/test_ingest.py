from datetime import timedelta
from threading import Barrier, Event, Thread

import pytest
from django.db import connection
from django.forms import model_to_dict, modelform_factory

from feeds import health, ingest, tasks, turns
from feeds.admin import FeedSubscriptionForm
from feeds.errors import (
    ProviderError,
    ProviderSettingError,
)
from feeds.models import FeedSubscription
from feeds.providers.simulated import Simulated
from feeds.subscriptions import subscribe
from feeds.tape import reads, retention
from tests.conftest import NOW
from tests.feeds.conftest import count
from tests.feeds.factories import FEED, KEY, full_disk
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("tape")


@pytest.fixture
def broken(monkeypatch):
    """Make the simulated exchange fail, for all subjects or one."""

    def breaks(error, *, subject=None):
        fetch = Simulated.fetch

        def failing(self, request):
            if subject in (None, request.subject):
                raise error
            return fetch(self, request)

        monkeypatch.setattr(Simulated, "fetch", failing)

    return breaks


def test_the_admin_checks_a_feed_as_the_service_does(subscription):
    subscription.fallbacks = ["nyse"]
    form = modelform_factory(
        FeedSubscription, form=FeedSubscriptionForm, fields=[*FEED, "fallbacks"]
    )
    data = {**model_to_dict(subscription), "fallbacks": '["nyse"]'}
    errors = form(data, instance=subscription).errors
    assert list(errors) == ["fallbacks"]
    assert "source was 'nyse'" in errors["fallbacks"][0]


def test_a_new_subscription_pulls_its_history(subscription):
    assert ingest.ingest_due() == 1
    assert count() == 181  # 180 minutes and the open one
    assert reads.watermark(key=KEY) == NOW - timedelta(minutes=1)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(("granularity", "hours"), [("4h", 4), ("1d", 24)])
def test_a_candle_longer_than_the_wanted_history_comes_once_it_is_closed(
    at, granularity, hours, fraction
):
    key, length = KEY._replace(granularity=granularity), timedelta(hours=hours)
    opened_at = NOW.replace(hour=0) + timedelta(days=1)
    with at(opened_at + fraction * length):
        subscribe(key)
        ingest.ingest_due()
    assert reads.watermark(key=key) == opened_at - length


def test_the_next_pull_goes_on_from_the_watermark(subscription, at, monkeypatch):
    ingest.ingest_due()
    asked = []
    fetch = Simulated.fetch
    monkeypatch.setattr(
        Simulated, "fetch", lambda self, r: asked.append(r) or fetch(self, r)
    )
    with at(NOW + timedelta(minutes=5)):
        ingest.ingest_due()
    assert [request.start for request in asked] == [NOW - timedelta(minutes=1)]
    assert reads.watermark(key=KEY) == NOW + timedelta(minutes=4)


def test_history_comes_page_by_page(subscription, monkeypatch):
    monkeypatch.setattr(Simulated, "page_limit", 50)
    ingest.ingest_due()
    assert count() == 181


def test_nothing_due_is_one_query(subscription, django_assert_num_queries):
    ingest.ingest_due()
    with django_assert_num_queries(1):
        assert ingest.ingest_due() == 0


def test_a_subscription_is_due_again_after_its_interval(subscription, at):
    ingest.ingest_due()
    with at(NOW + timedelta(seconds=4.9)):
        assert ingest.ingest_due() == 0
    with at(NOW + timedelta(seconds=5)):
        assert ingest.ingest_due() == 1


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("due_at", [NOW - timedelta(seconds=1), None])
def test_a_poll_that_is_asked_for_during_a_pull_comes(
    subscription, monkeypatch, fails, due_at
):
    """Also when the pull was itself asked for, which leaves `next_poll_at` NULL."""
    ingest.ingest_due()
    FeedSubscription.objects.update(next_poll_at=due_at)
    fetch = Simulated.fetch

    def answer(self, request):
        FeedSubscription.objects.update(next_poll_at=None)  # "poll now"
        if fails:
            raise ProviderError("down")
        return fetch(self, request)

    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "fetch", answer)
        assert ingest.ingest_due() == 1
    subscription.refresh_from_db()
    assert subscription.next_poll_at is None
    assert ingest.ingest_due() == 1
    assert ingest.ingest_due() == 0


def test_a_clock_that_was_set_back_stops_nothing(subscription, at):
    ingest.ingest_due()
    with at(NOW - timedelta(days=300)):
        assert ingest.ingest_due() == 1


def test_an_inactive_subscription_rests(subscription):
    FeedSubscription.objects.update(active=False)
    assert ingest.ingest_due() == 0
    assert subscribe(KEY).active
    assert ingest.ingest_due() == 1


def test_a_broken_feed_is_noted_and_does_not_block_the_next(subscription, broken):
    subscribe(KEY._replace(subject="ETHUSDT"))
    broken(RuntimeError("boom"), subject="BTCUSDT")
    assert ingest.ingest_due() == 2
    subscription.refresh_from_db()
    assert subscription.last_error == "simulated failed: RuntimeError: boom"
    assert subscription.consecutive_errors == 1
    assert subscription.next_poll_at == NOW + timedelta(seconds=2)
    assert reads.watermark(key=KEY._replace(subject="ETHUSDT")) is not None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b\r\ud800", "a\ufffdb\n\ufffd"),
        ("x" * 3 * 2**20, "x" * 1_999 + "…"),
        ("", "ProviderError"),
    ],
)
def test_whatever_a_source_says_is_kept_in_short(
    subscription, broken, text, kept, caplog
):
    broken(ProviderError(text))
    assert ingest.ingest_due() == 1
    subscription.refresh_from_db()
    assert subscription.last_error == kept
    assert max(map(len, caplog.messages)) < 5_000


def test_the_wait_grows_with_the_errors_and_ends_with_success(
    subscription, broken, at, monkeypatch
):
    with monkeypatch.context():
        broken(ProviderError("down"))
        ingest.ingest_due()
        with at(NOW + timedelta(seconds=2)):
            ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.consecutive_errors == 2
    assert subscription.first_error_at == NOW
    assert subscription.last_error_at == NOW + timedelta(seconds=2)
    assert subscription.next_poll_at == NOW + timedelta(seconds=6)
    monkeypatch.undo()
    with at(NOW + timedelta(seconds=6)):
        ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.consecutive_errors == 0
    assert subscription.first_error_at is None
    assert subscription.last_error == "down"


@pytest.mark.parametrize("wait_s", [1e300, float("inf"), 2_082_758_400.0])
def test_no_server_stops_a_feed_for_longer_than_an_hour(subscription, broken, wait_s):
    subscribe(KEY._replace(subject="ETHUSDT"))
    broken(ProviderError("slow down", retry_after_s=wait_s), subject="BTCUSDT")
    assert ingest.ingest_due() == 2
    subscription.refresh_from_db()
    assert subscription.next_poll_at == NOW + timedelta(hours=1)
    assert reads.watermark(key=KEY._replace(subject="ETHUSDT")) is not None


def test_retry_after_is_respected(subscription, broken):
    broken(ProviderError("slow down", retry_after_s=120))
    ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.next_poll_at == NOW + timedelta(seconds=120)


def test_a_server_that_asks_for_a_short_wait_shortens_none(subscription, broken):
    FeedSubscription.objects.update(consecutive_errors=3)
    broken(ProviderError("slow down", retry_after_s=1))
    ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.next_poll_at == NOW + timedelta(seconds=16)


def test_a_wrong_setting_is_not_asked_again_soon(subscription, broken):
    broken(ProviderSettingError("set PYTH_API_KEY"))
    ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.next_poll_at == NOW + timedelta(hours=1)


def test_the_next_source_stands_in_and_is_named(subscription, broken, monkeypatch):
    FeedSubscription.objects.update(source="binance", fallbacks=["simulated"])
    monkeypatch.setattr(
        "feeds.providers.binance.Binance.fetch",
        lambda *a: (_ for _ in ()).throw(ProviderSettingError("451")),
    )
    ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.serving_source == "simulated"
    assert subscription.last_error == "451"
    assert subscription.consecutive_errors == 0
    window = reads.newest_closed(key=KEY._replace(source="binance"), at=NOW, limit=1)
    assert window[0].meta == {"served_by": "simulated"}


def test_when_every_source_fails_each_is_quoted(subscription, broken, monkeypatch):
    FeedSubscription.objects.update(source="replay", fallbacks=["simulated"])
    broken(ProviderError("down"))
    ingest.ingest_due()
    subscription.refresh_from_db()
    assert "FEED_REPLAY_PATH" in subscription.last_error
    assert "down" in subscription.last_error


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_no_reason_to_ask_another_source(subscription):
    FeedSubscription.objects.update(fallbacks=["simulated"])
    with full_disk():
        ingest.ingest_due()
    subscription.refresh_from_db()
    assert subscription.last_error == (
        "the tape's database failed: could not extend file: No space left on device"
    )
    assert subscription.serving_source == ""
    assert (count(), reads.watermark(key=KEY)) == (0, None)


def test_a_long_catch_up_is_due_again_at_once(subscription, monkeypatch):
    monkeypatch.setattr(Simulated, "page_limit", 50)
    monkeypatch.setattr(ingest, "TURN_S", -1.0)
    ingest.ingest_due()
    assert count() == 50
    ingest.ingest_due()
    assert count() == 99  # the watermark's own record is asked for again


def test_what_was_pulled_meanwhile_is_not_due_any_more(subscription):
    ingest.ingest_due()
    with turns.turn_at(subscription) as mine:
        assert mine is None
    with turns.turn_at(subscription, even_early=True) as mine:
        assert mine == subscription


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_no_harm(subscription):
    for subject in ("ETHUSDT", "SOLUSDT"):
        subscribe(KEY._replace(subject=subject))
    barrier, pulled = Barrier(3), []

    def work():
        barrier.wait()
        pulled.append(ingest.ingest_due())
        connection.close()

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(pulled) == 3
    assert count() == 3 * 181


@pytest.mark.django_db(transaction=True)
def test_a_source_that_does_not_answer_leaves_threads_to_others(
    subscription, monkeypatch
):
    for subject in ("ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOTUSDT"):
        subscribe(KEY._replace(subject=subject))
    woken, asked, back = Event(), [], []

    def silent(self, request):
        asked.append(request.subject)
        woken.wait(60)
        raise ProviderError("it gave no answer")

    def work():
        back.append(ingest.ingest_due())
        connection.close()

    monkeypatch.setattr(Simulated, "fetch", silent)
    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(asked) + len(back) == len(threads))
    at_once = len(asked)
    woken.set()
    for thread in threads:
        thread.join()
    assert 1 <= at_once <= ingest.MOST_OF_A_SOURCE


def test_the_task_has_the_name_that_beat_knows(subscription):
    tasks.ingest_due()
    assert tasks.ingest_due.name == "feeds.ingest"
    assert tasks.maintain.name == "feeds.maintain"
    assert count() == 181


def test_gaps_are_repaired_also_while_nothing_can_be_dropped(monkeypatch):
    """A full disk keeps records past retention from being exported, for days."""
    repaired = []

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(retention, "prune", full)
    monkeypatch.setattr(ingest, "repair_gaps", lambda: repaired.append(1))
    with pytest.raises(OSError, match="No space left"):
        tasks.maintain()
    assert repaired


def test_a_stale_feed_raises_an_alarm(subscription, caplog):
    ingest.ingest_due()
    with caplog.at_level("ERROR"):
        assert health.raise_alarms(now=NOW + timedelta(minutes=2)) == 0
        assert health.raise_alarms(now=NOW + timedelta(minutes=9)) == 1
    assert "feed.stale" in caplog.text
