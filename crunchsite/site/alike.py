"""Draw how alike the leading models are, as a heat map of the public pages."""

from dataclasses import dataclass

from competitions.models import Competition, ParticipantModel
from competitions.wiring import shown_wiring
from scoring.diversity.correlations import correlations

MODELS = 20
STEPS = 5  # shades on either side of none


@dataclass(frozen=True)
class Cell:
    """A correlation and its shade: `p5` is +1, `m5` is -1, `p0` is none."""

    other: ParticipantModel
    rho: float | None
    shade: str


@dataclass(frozen=True)
class HeatMap:
    models: list[ParticipantModel]
    rows: list[tuple[ParticipantModel, list[Cell]]]
    rounds: int


def heat_map(competition: Competition) -> HeatMap:
    """Compare the leading models of the newest board with each other, in its order."""
    found = correlations(
        competition=competition, wiring=shown_wiring(competition), limit=MODELS
    )
    return HeatMap(
        models=found.models,
        rows=[
            (
                model,
                [
                    Cell(other, rho, "own" if other == model else shade(rho))
                    for other, rho in zip(found.models, row, strict=True)
                ],
            )
            for model, row in zip(found.models, found.matrix, strict=True)
        ],
        rounds=found.rounds,
    )


def shade(rho: float | None) -> str:
    if rho is None:
        return "unknown"
    return f"{'m' if rho < 0 else 'p'}{round(abs(rho) * STEPS)}"
