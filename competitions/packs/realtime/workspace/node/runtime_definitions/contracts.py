"""The contract: types, metrics, windows and ranking of the competition."""

from competitions.contract import Aggregation, AggregationWindow, CrunchConfig

# A question every 15 s gives 240 scores an hour: enough to rank by.
# TODO: change what differs.
CONTRACT = CrunchConfig(
    aggregation=Aggregation(
        windows={
            "score_1h": AggregationWindow(hours=1),
            "score_24h": AggregationWindow(hours=24),
            "score_168h": AggregationWindow(hours=168),
        },
        ranking_key="score_1h",
    ),{% if metrics is not None %}
    metrics={{ metrics|as_tuple }},{% endif %}
)
