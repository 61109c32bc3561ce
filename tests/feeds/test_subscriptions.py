"""A feed is subscribed once, and only when its source serves it."""

import pytest

from feeds.errors import (
    FeedError,
    UnknownSourceError,
)
from feeds.models import FeedSubscription
from feeds.providers.sources import check_feed
from feeds.subscriptions import subscribe
from feeds.tape.records import FeedKey
from tests.feeds.factories import KEY

pytestmark = pytest.mark.usefixtures("tape")


def test_subscribing_twice_is_one_subscription(frozen_clock):
    assert subscribe(KEY) == subscribe(KEY)
    assert FeedSubscription.objects.count() == 1


def test_an_unknown_feed_is_refused(frozen_clock):
    with pytest.raises(UnknownSourceError, match="'nyse'"):
        subscribe(KEY._replace(source="nyse"))
    for bad in ({"kind": "rumour"}, {"granularity": "soon"}, {"subject": "a/b"}):
        with pytest.raises(FeedError, match=f"was {next(iter(bad.values()))!r}"):
            subscribe(KEY._replace(**bad))
    assert not FeedSubscription.objects.exists()


def test_a_feed_that_its_source_does_not_serve_is_refused(frozen_clock):
    with pytest.raises(FeedError, match="'7s'; binance serves 1s, 1m"):
        subscribe(KEY._replace(source="binance", granularity="7s"))
    with pytest.raises(FeedError, match="'depth'; pyth serves candle, tick"):
        check_feed(
            FeedKey("binance", "BTCUSDT", "depth", "1s"), fallbacks=["binance", "pyth"]
        )
