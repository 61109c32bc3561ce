"""Define how a period's ranking becomes shares, and who settles a checkpoint."""

import math
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.imports import NotImportable, import_target

StrategyName = Literal["tiers", "contribution", "proportional", "equal", "shrunken"]
STRATEGY_NAMES: tuple[str, ...] = get_args(StrategyName)
LONGEST_CHALLENGE_S = 30 * 86_400


class EmissionWeights(BaseModel):
    """How much rank, contribution and diversity count; they sum to 1."""

    model_config = ConfigDict(extra="forbid")
    rank: float = Field(default=0.5, ge=0, le=1)
    contribution: float = Field(default=0.3, ge=0, le=1)
    diversity: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> "EmissionWeights":
        total = math.fsum((self.rank, self.contribution, self.diversity))
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"the weights summed to {total:g}; they must sum to 1")
        return self


class EmissionRule(BaseModel):
    """How the crunchers' whole is shared, and who settles a checkpoint.

    `strategy` is a name, or `module:callable` of a builder like `build_emission`, which
    takes precedence. Models with the same ranking figure share the sum of what their
    places earn (`ties="shared"`), or are ordered by their ids. `best` is how many
    `equal` pays; `weights` and `floor`, the least share, are those of `contribution`.
    A checkpoint can be disputed for `challenge_s` seconds before it is confirmed; with
    `needs_two`, nobody takes two steps of it in a row.
    """

    model_config = ConfigDict(extra="forbid")
    strategy: str = "tiers"
    ties: Literal["by_id", "shared"] = "by_id"
    best: int = Field(default=10, ge=1)
    weights: EmissionWeights = EmissionWeights()
    floor: float = Field(default=0.01, ge=0, le=1)
    challenge_s: int = Field(default=0, ge=0, le=LONGEST_CHALLENGE_S)
    needs_two: bool = False

    @property
    def is_custom(self) -> bool:
        """Return whether an operator's builder is named."""
        return ":" in self.strategy

    @model_validator(mode="after")
    def _strategy_is_known(self) -> "EmissionRule":
        if self.is_custom:
            try:
                import_target(self.strategy)
            except NotImportable as error:
                raise ValueError(f"strategy {self.strategy!r}: {error}") from None
        elif self.strategy not in STRATEGY_NAMES:
            raise ValueError(
                f"strategy was {self.strategy!r}; it is one of "
                f"{', '.join(STRATEGY_NAMES)}, or module:callable"
            )
        return self
