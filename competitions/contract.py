"""The contract of a competition: the types and functions in which competitions differ.

An operator subclasses `CrunchConfig`; everything else is built in.
"""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# Operators' contracts import these from this module.
from competitions.emission_rule import EmissionRule as EmissionRule
from competitions.emission_rule import EmissionWeights as EmissionWeights
from competitions.schedule_config import Schedule as Schedule
from competitions.schedule_config import (
    ScheduledPredictionConfig as ScheduledPredictionConfig,
)
from competitions.schedule_config import require_unique_keys as require_unique_keys
from competitions.trading.trading_rules import TradingRules

# The wire's names for the types of arguments.
ArgumentType = Literal["STRING", "INT", "FLOAT", "DOUBLE", "JSON"]
# Of a model's answer, sent and stored, unless the contract says otherwise.
LARGEST_OUTPUT_BYTES = 16 * 2**10
# Names of the return in a truth; ours first.
RETURN_SPELLINGS = ("actual_return", "return")


class RawInput(BaseModel):
    """The raw input of a round, as RAW_INPUT_PROVIDER reads it from the tape."""

    model_config = ConfigDict(extra="allow")


class InferenceInput(BaseModel):
    """The input that models receive with each feed update."""

    model_config = ConfigDict(extra="allow")


class InferenceOutput(BaseModel):
    """A model's answer; `value` is its signal."""

    value: float = Field(allow_inf_nan=False)


class GroundTruth(BaseModel):
    """The truth of a round.

    `actual_return` = (resolved_price - entry_price) / entry_price.

    `return` is an accepted spelling of it, and what holds one has the other, too.
    """

    model_config = ConfigDict(extra="allow")
    entry_price: float | None = None
    resolved_price: float | None = None
    actual_return: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _both_spellings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for given, other in (RETURN_SPELLINGS, RETURN_SPELLINGS[::-1]):
            fits = other in cls.model_fields or cls.model_config["extra"] == "allow"
            if given in data and other not in data and fits:
                return {**data, other: data[given]}
        return data


class ScoreResult(BaseModel):
    """A scorer's result; extra keys (such as `actual_return`) are kept."""

    model_config = ConfigDict(extra="allow")
    value: float | None = Field(default=None, allow_inf_nan=False)
    success: bool = True
    failed_reason: str | None = None


def numeric_fields(kind: type[BaseModel]) -> list[str]:
    """Return the fields of a type that are declared as numbers."""
    numeric = {float, int, float | None, int | None}
    return [n for n, f in kind.model_fields.items() if f.annotation in numeric]


class PredictionScope(BaseModel):
    """Defaults for the scope of every scheduled prediction.

    The horizon is the schedule's unless the scope names another; this one is used for a
    schedule that resolves at once.
    """

    model_config = ConfigDict(extra="allow")
    subject: str = "BTCUSDT"
    horizon_seconds: int = Field(default=60, ge=1)
    step_seconds: int = Field(default=15, ge=1)


class CallArgument(BaseModel):
    """One positional argument of the models' method, taken from the scope by name."""

    model_config = ConfigDict(extra="forbid")
    name: str
    type: ArgumentType = "STRING"


class CallMethod(BaseModel):
    """The models' method and its positional arguments, in order."""

    model_config = ConfigDict(extra="forbid")
    method: str = "predict"
    args: tuple[CallArgument, ...] = (
        CallArgument(name="subject", type="STRING"),
        CallArgument(name="resolve_horizon_seconds", type="INT"),
        CallArgument(name="step_seconds", type="INT"),
    )


class AggregationWindow(BaseModel):
    """A trailing window `[now - hours, now)`."""

    model_config = ConfigDict(extra="forbid")
    hours: int = Field(ge=1)


class Aggregation(BaseModel):
    """How scores become standings: windows over `value_field`, then a ranking."""

    model_config = ConfigDict(extra="forbid")
    windows: dict[str, AggregationWindow] = Field(
        default={
            "score_recent": AggregationWindow(hours=24),
            "score_steady": AggregationWindow(hours=72),
            "score_anchor": AggregationWindow(hours=168),
        },
        min_length=1,
    )
    value_field: str = "value"
    ranking_key: str = "score_recent"
    ranking_direction: Literal["asc", "desc"] = "desc"


class MinMetric(BaseModel):
    """The smallest value of a metric that a member of an ensemble may have."""

    model_config = ConfigDict(extra="forbid")
    name: str
    threshold: float = Field(allow_inf_nan=False)


class ModelFilter(BaseModel):
    """Choose an ensemble's members: the best, those above a threshold, or both."""

    model_config = ConfigDict(extra="forbid")
    top_n: int | None = Field(default=None, ge=1)
    min_metric: MinMetric | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "ModelFilter":
        if self.top_n is None and self.min_metric is None:
            raise ValueError("model_filter was empty; give top_n, min_metric or both")
        return self


class EnsembleConfig(BaseModel):
    """A virtual model that combines the signals of real ones.

    `strategy` weighs the members: a name, or a callable `(model_metrics, signals)` that
    returns a weight per model id. `model_filter` chooses them: `{"top_n": 5}`,
    `{"min_metric": {"name": "ic", "threshold": 0.01}}`, both (the best 5 of those above
    the threshold), or a callable `(model_id, metrics) -> bool`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    name: str = Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=80)
    strategy: Literal["inverse_variance", "equal_weight"] | Callable[..., Any] = (
        "inverse_variance"
    )
    model_filter: dict[str, Any] | Callable[..., Any] | None = None
    enabled: bool = True

    @field_validator("model_filter")
    @classmethod
    def _filter_is_known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return ModelFilter.model_validate(value).model_dump(exclude_none=True)
        return value


class CrunchConfig(BaseModel):
    """The contract of one competition.

    Five types shape the data; `scope`, `call_method` and `scheduled_predictions` define
    the questions, `aggregation` the ranking, and the callables truth and scores.
    A callable that is None is the engine's default for that slot. A model is paid for a
    period if it scored in at least `min_paid_coverage` of the rounds that were asked;
    `emission` says how much. With `trading`, answers are orders, and a model's value of
    a period is the net profit of its account. A
    cruncher may submit `submissions_per_day` versions of models in a day of UTC.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    raw_input_type: type[BaseModel] = RawInput
    input_type: type[BaseModel] = InferenceInput
    output_type: type[BaseModel] = InferenceOutput
    ground_truth_type: type[BaseModel] = GroundTruth
    score_type: type[BaseModel] = ScoreResult

    scope: PredictionScope = PredictionScope()
    call_method: CallMethod = CallMethod()
    feed_update_method: str = "feed_update"
    aggregation: Aggregation = Aggregation()
    scheduled_predictions: tuple[ScheduledPredictionConfig, ...] = ()
    metrics: tuple[str, ...] = (
        "ic",
        "ic_sharpe",
        "hit_rate",
        "max_drawdown",
        "model_correlation",
    )
    max_output_bytes: int = Field(default=LARGEST_OUTPUT_BYTES, ge=64, le=2**20)
    emission: EmissionRule = EmissionRule()
    min_paid_coverage: float = Field(default=0.5, ge=0, le=1)
    max_input_age_candles: int = Field(default=3, ge=1)
    max_ground_truth_staleness_fraction: float = Field(default=0.2, ge=0, le=1)

    submissions_per_day: int = Field(default=5, ge=0, le=1000)

    ensembles: tuple[EnsembleConfig, ...] = ()
    trading: TradingRules | None = None

    scoring_function: Callable[..., Any] | None = None
    batch_scoring_function: Callable[..., Any] | None = None
    resolve_ground_truth: Callable[..., Any] | None = None
    aggregate_snapshot: Callable[..., Any] | None = None
    build_emission: Callable[..., Any] | None = None

    crunch_pubkey: str = ""
    compute_provider: str | None = None
    data_provider: str | None = None

    @field_validator(
        "raw_input_type", "input_type", "output_type", "ground_truth_type", "score_type"
    )
    @classmethod
    def _is_a_model(cls, value: type[BaseModel]) -> type[BaseModel]:
        if not value.model_fields and value.model_config.get("extra") != "allow":
            raise ValueError(f"{value.__name__} declares no field")
        return value

    @field_validator("scheduled_predictions")
    @classmethod
    def _keys_are_unique(
        cls, value: tuple[ScheduledPredictionConfig, ...]
    ) -> tuple[ScheduledPredictionConfig, ...]:
        require_unique_keys(value)
        return value

    @model_validator(mode="after")
    def _ranking_key_exists(self) -> "CrunchConfig":
        key = self.aggregation.ranking_key
        known = {
            *self.aggregation.windows,
            *self.metrics,
            *numeric_fields(self.score_type),
        }
        # The fields of `aggregate_snapshot` are known only when it is called.
        if key not in known and self.aggregate_snapshot is None:
            raise ValueError(
                f"ranking_key was {key!r}; it must be one of {', '.join(sorted(known))}"
            )
        return self

    @model_validator(mode="after")
    def _errors_are_known(self) -> "CrunchConfig":
        is_mean = self.aggregation.ranking_key in self.aggregation.windows
        if self.emission.strategy == "shrunken" and not is_mean:
            raise ValueError(
                f"strategy 'shrunken' needs a window as ranking_key, whose error is "
                f"known; it was {self.aggregation.ranking_key!r}"
            )
        return self

    @model_validator(mode="after")
    def _batch_scorer_has_numbers(self) -> "CrunchConfig":
        if self.batch_scoring_function and not numeric_fields(self.output_type):
            raise ValueError(
                f"{self.output_type.__name__} declares no number, which a "
                "batch_scoring_function needs; declare one, or use scoring_function"
            )
        return self


CrunchContract = CrunchConfig
