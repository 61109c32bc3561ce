"""The contract: a house goes in, a price comes out, the board shows a day and a week."""

from pydantic import BaseModel

from competitions.contract import (
    Aggregation,
    AggregationWindow,
    CallArgument,
    CallMethod,
    CrunchConfig,
)


class House(BaseModel):
    house: str
    area_m2: float
    rooms: int
    age_years: float


class Price(BaseModel):
    price: float


CONTRACT = CrunchConfig(
    input_type=House,
    ground_truth_type=Price,
    call_method=CallMethod(args=(CallArgument(name="features", type="JSON"),)),
    aggregation=Aggregation(
        windows={
            "score_24h": AggregationWindow(hours=24),
            "score_168h": AggregationWindow(hours=168),
        },
        ranking_key="score_24h",
    ),
    metrics=(),  # the site's are about returns
)
