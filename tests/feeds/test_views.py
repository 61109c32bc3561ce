import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from feeds import backfill_jobs, health, ingest, views
from feeds.models import FeedSubscription
from feeds.subscriptions import subscribe
from feeds.tape.records import span
from feeds.tape.writes import append
from feeds.views import HEIGHT, bars, price_lines
from tests.conftest import NOW
from tests.feeds.factories import KEY, candle

pytestmark = [
    pytest.mark.usefixtures("tape", "frozen_clock"),
    pytest.mark.django_db(databases=["default", "tape"]),
]


def test_the_page_shows_each_feed_and_a_chart(client):
    subscribe(KEY)
    append([candle(-i, 100.0 + i) for i in range(1, 70) if i != 5])
    append([candle(values={"close": float("nan")})])
    page = client.get("/feeds").content.decode()
    for text in ("BTCUSDT", "fresh", "not_finite", "<svg", "newest 60 closed"):
        assert text in page
    for label in (">162.00<", ">10:59<"):  # the highest price, the first candle
        assert label in page


def test_a_feed_of_which_nothing_has_come_has_no_records(client):
    subscribe(KEY)
    page = client.get("/feeds").content.decode()
    assert ">waiting<" in page
    assert page.count('<td class="n">0</td>') == 2  # missing, and there


@pytest.mark.parametrize(
    ("granularity", "label"),
    [("1s", "11:59:59"), ("1h", "02 Mar 11:00"), ("1d", "01 Mar")],
)
def test_the_chart_names_instants_as_finely_as_its_candles(client, granularity, label):
    subscribe(KEY._replace(granularity=granularity))
    length = span("candle", granularity)
    midnight = NOW.replace(hour=0) if granularity == "1d" else NOW
    append([candle(granularity=granularity, at=midnight - length)])
    assert f">{label}<" in client.get("/feeds").content.decode()


def test_why_a_feed_fails_is_for_operators(client, django_user_model):
    """The text names hosts and paths of the site."""
    subscribe(KEY)
    append([candle(-1)])
    why = "the tape failed: connection to 10.0.0.5 as crunch"
    FeedSubscription.objects.update(
        consecutive_errors=3, last_error=why, last_error_at=NOW
    )
    page = client.get("/feeds").content.decode()
    assert ">failing<" in page
    assert "last failed" in page
    assert why not in page
    client.force_login(django_user_model.objects.create_superuser("olga"))
    assert why in client.get("/feeds").content.decode()


def test_the_page_is_whole_without_data(client):
    assert client.get("/feeds").status_code == 200


def test_the_number_of_statements_does_not_depend_on_the_feeds(
    tape_statements, django_assert_num_queries
):
    for subject in ("A", "B", "C"):
        subscribe(KEY._replace(subject=subject))
        append([candle(-1, subject=subject)])
    with tape_statements() as seen, django_assert_num_queries(1):
        assert len(health.health(now=NOW)) == 3
    assert len(seen) == 2


def test_gaps_are_repaired():
    subscribe(KEY)
    append([candle(-i) for i in range(1, 11) if i not in (3, 4, 8)])
    assert ingest.repair_gaps() == 3
    assert ingest.repair_gaps() == 0


def test_gaps_are_repaired_of_feeds_that_run_and_so_many_in_a_pass(monkeypatch):
    monkeypatch.setattr(ingest, "MOST_REPAIRS", 2)
    subscribe(KEY)
    append([candle(-i) for i in range(1, 11) if i not in (3, 6, 8)])
    FeedSubscription.objects.update(active=False)
    assert ingest.repair_gaps() == 0
    FeedSubscription.objects.update(active=True)
    assert [ingest.repair_gaps() for _ in range(3)] == [2, 1, 0]


def test_candles_are_drawn_to_scale():
    (low, high) = bars([candle(-2, 100.0), candle(-1, 110.0)])
    assert (low.bottom, high.top) == (HEIGHT - 5, 5)
    assert low.is_up
    assert bars([]) == []


def test_the_charts_lines_span_its_prices():
    lines = price_lines([candle(-2, 100.0), candle(-1, 110.0)])
    assert lines == [(5, 111.0), (81.7, 107.0), (158.3, 103.0), (HEIGHT - 5, 99.0)]
    flat = candle(values=dict.fromkeys(("open", "high", "low", "close"), 7.0))
    assert price_lines([flat]) == [(5, 7.0)]
    assert price_lines([]) == []


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("operator", password="x"))
    return client


def test_the_admin_lists_subscriptions_with_their_health(operator):
    subscribe(KEY)
    append([candle(-1)])
    page = operator.get("/admin/feeds/feedsubscription/").content.decode()
    assert "0.0 s" in page
    pk = FeedSubscription.objects.get().pk
    page = operator.get(f"/admin/feeds/feedsubscription/{pk}/change/").content.decode()
    address = re.search(r'href="(/admin/r/\d+/\d+/)"', page)
    chart = operator.get(address[1], follow=True)
    assert chart.redirect_chain[-1][0].endswith(
        "/feeds?feed=simulated%3ABTCUSDT%3Acandle%3A1m"
    )
    assert "<svg" in chart.content.decode()


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "fresh"),
        ({"active": False}, "paused"),
        ({"consecutive_errors": 3, "last_error": "no answer"}, "failed 3 times"),
        ({"serving_source": "pyth"}, "served by pyth"),
        ({"poll_s": 0.001, "granularity": "1s"}, "stale"),
        (
            {"poll_s": 0.001, "granularity": "1s", "serving_source": "pyth"},
            "stale",
        ),
        ({"subject": "ETHUSDT"}, "waiting"),  # no record has come yet
    ],
)
def test_the_admin_says_how_a_subscription_stands(operator, changes, state):
    subscribe(KEY)
    append([candle(-1), candle(-1, granularity="1s")])
    FeedSubscription.objects.update(**changes)
    page = operator.get("/admin/feeds/feedsubscription/").content.decode()
    assert state in page
    assert changes.get("last_error", "") in page


@pytest.mark.parametrize(
    ("action", "active"), [("pause", False), ("activate", True), ("poll_now", True)]
)
def test_the_admins_actions_change_subscriptions(operator, action, active):
    subscription = subscribe(KEY)
    operator.post(
        "/admin/feeds/feedsubscription/",
        {"action": action, "_selected_action": [subscription.pk]},
    )
    subscription.refresh_from_db()
    assert (subscription.active, subscription.next_poll_at) == (active, None)


def test_the_admin_cancels_backfills(operator):
    job = backfill_jobs.start(key=KEY, start_at=NOW - timedelta(hours=1), end_at=NOW)
    assert operator.get("/admin/feeds/backfilljob/").status_code == 200
    operator.post(
        "/admin/feeds/backfilljob/", {"action": "cancel", "_selected_action": [job.pk]}
    )
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert operator.get("/admin/feeds/backfilljob/add/").status_code == 403


@pytest.mark.parametrize("price", [0.0000089, 0.5, 60_000.0, 5e9])
@pytest.mark.parametrize("spread", [0.0, 1e-4, 0.1])
def test_the_axis_never_says_the_same_twice(price, spread):
    records = [
        candle(m, values=dict.fromkeys(("open", "high", "low", "close"), value))
        for m, value in enumerate((price, price * (1 + spread)))
    ]
    decimals = views.price_decimals(records)
    labels = [f"{value:.{decimals}f}" for _, value in views.price_lines(records)]
    assert len(set(labels)) == len(labels)
    assert all(float(label) for label in labels)


def test_an_age_of_hours_is_told_in_hours(operator):
    subscribe(KEY)
    append([candle(-700)])
    page = operator.get("/admin/feeds/feedsubscription/").content.decode()
    assert "11:39:00" in page
