"""Find the models that move on the board, by comparing it before and after a change."""

from collections.abc import Sequence
from dataclasses import dataclass

from scoring.board.ranking import Standing


@dataclass(frozen=True)
class Move:
    """The change of a model's line on the newest board by a correction."""

    model_id: str
    rank_before: int | None
    rank_after: int | None
    value_before: float | None
    value_after: float | None

    @property
    def places(self) -> int | None:
        """Return places won; negative if lost, None without a rank on either side."""
        if self.rank_before is None or self.rank_after is None:
            return None
        return self.rank_before - self.rank_after

    @property
    def difference(self) -> float | None:
        if self.value_before is None or self.value_after is None:
            return None
        return self.value_after - self.value_before


def moves_between(before: Sequence[Standing], after: Sequence[Standing]) -> list[Move]:
    """Return the lines that differ, in the later order; those that left come last."""
    old = {line.model.model_id: line for line in before}
    new = {line.model.model_id: line for line in after}
    moves = []
    for model_id in new | old:
        was, now = old.get(model_id), new.get(model_id)
        move = Move(
            model_id=model_id,
            rank_before=was.rank if was else None,
            rank_after=now.rank if now else None,
            value_before=was.value if was else None,
            value_after=now.value if now else None,
        )
        if (move.rank_before, move.value_before) != (move.rank_after, move.value_after):
            moves.append(move)
    return moves
