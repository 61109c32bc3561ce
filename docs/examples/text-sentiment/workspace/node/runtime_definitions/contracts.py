"""The contract: texts go in, an order comes out, the board shows a day and a week."""

from pydantic import BaseModel

from competitions.contract import (
    Aggregation,
    AggregationWindow,
    CallArgument,
    CallMethod,
    CrunchConfig,
)


class Texts(BaseModel):
    texts: list[dict[str, str]]


class Order(BaseModel):
    order: list[str]  # the ids, the gladdest first


class Labels(BaseModel):
    labels: dict[str, float]


CONTRACT = CrunchConfig(
    input_type=Texts,
    output_type=Order,
    ground_truth_type=Labels,
    call_method=CallMethod(args=(CallArgument(name="texts", type="JSON"),)),
    aggregation=Aggregation(
        windows={
            "score_24h": AggregationWindow(hours=24),
            "score_168h": AggregationWindow(hours=168),
        },
        ranking_key="score_24h",
    ),
    metrics=(),  # the site's are about returns
)
