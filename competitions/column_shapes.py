"""Shapes of the JSON columns that operators edit, for the admin's checks."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from competitions.slots import SLOTS


def _known(slots: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(slots.keys() - SLOTS.keys()):
        raise ValueError(
            f"{unknown[0]!r} is not a slot; the slots are {', '.join(SLOTS)}"
        )
    return slots


_Path = Annotated[
    str, Field(max_length=200, pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")
]
Slots = Annotated[dict[str, _Path], AfterValidator(_known)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Seconds = Annotated[int, Field(ge=1, le=2**31 - 1)]


class ScopeShape(BaseModel):
    """The scope of a schedule; the contract may use further names."""

    model_config = ConfigDict(extra="allow")
    subject: _Name | None = None
    asset: _Name | None = None
    horizon_seconds: _Seconds | None = None
    horizon: _Seconds | None = None
    step_seconds: _Seconds | None = None
    step: _Seconds | None = None


Meta = dict[str, Any]
