import pytest

from competitions.contract import CrunchConfig
from competitions.models import Competition, ScheduledPrediction
from competitions.round_feed import feed_of
from feeds.tape.records import FeedKey

CONFIG = CrunchConfig()


@pytest.mark.parametrize(
    ("scope", "subject"),
    [
        ({"subject": "ETHUSDT"}, "ETHUSDT"),
        ({"asset": "ETHUSDT"}, "ETHUSDT"),
        ({"subject": "ETHUSDT", "asset": "BTCUSDT"}, "ETHUSDT"),
        ({"subject": ""}, CONFIG.scope.subject),
        ({}, CONFIG.scope.subject),
    ],
)
def test_the_subject_is_the_scopes_in_either_spelling_or_the_contracts(scope, subject):
    competition = Competition(
        feed_source="simulated", feed_kind="candle", feed_granularity="1m"
    )
    feed = FeedKey("simulated", subject, "candle", "1m")
    assert feed_of(competition, scope, CONFIG) == feed
    assert ScheduledPrediction(scope_template=scope).subject in {subject, ""}
