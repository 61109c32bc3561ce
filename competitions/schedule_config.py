"""Define the questions of a contract: scope, cadence and horizon of each."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Schedule(BaseModel):
    """Cadence and horizon of a scheduled prediction.

    `every_seconds` and `resolve_after_seconds` are accepted spellings.
    """

    model_config = ConfigDict(extra="forbid")
    prediction_interval_seconds: int = Field(ge=1)
    resolve_horizon_seconds: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        spellings = {
            "every_seconds": "prediction_interval_seconds",
            "resolve_after_seconds": "resolve_horizon_seconds",
        }
        for spelling in spellings.keys() & data.keys():
            if spellings[spelling] in data:
                raise ValueError(
                    f"{spelling} and {spellings[spelling]} mean the same; give one"
                )
        return {spellings.get(key, key): value for key, value in data.items()}


class ScheduledPredictionConfig(BaseModel):
    """One kind of question, asked on a grid. The horizon defaults to the scope's."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    scope_key: str = Field(min_length=1)
    scope_template: dict[str, Any] = Field(default={}, alias="scope")
    schedule: Schedule
    active: bool = True
    order: int = 0
    meta: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _horizon_from_scope(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        schedule = dict(data.get("schedule") or {})
        scope = data.get("scope_template") or data.get("scope") or {}
        if not {"resolve_horizon_seconds", "resolve_after_seconds"} & schedule.keys():
            horizon = scope.get("horizon_seconds", scope.get("horizon"))
            if horizon is not None:
                schedule["resolve_horizon_seconds"] = horizon
        return {**data, "schedule": schedule}


def require_unique_keys(configs: Sequence[ScheduledPredictionConfig]) -> None:
    """Raise ValueError if two of a competition's questions have the same scope key."""
    keys = [config.scope_key for config in configs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"scope keys were {keys}; each must be unique")
