"""What a verification found: for each step, what holds, what does not, what is open."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.texts import one_line

MOST_TOLD = 5  # of what is wrong with a step
LONGEST_TOLD = 500  # a bundle's own texts stand in it


@dataclass
class StepFinding:
    """A step of a verification: how much was checked, what is wrong, what is open."""

    name: str
    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    failures: int = 0

    def lines(self) -> Iterator[str]:
        """Yield what a person reads of it."""
        if self.checked:
            state = "FAILED" if self.failures else "ok"
            held = self.checked - self.failures
            yield f"{state:9} {self.name}: {held} of {self.checked} hold"
        yield from (f"          - {text}" for text in self.wrong)
        if more := self.failures - len(self.wrong):
            yield f"          - and {more} more"
        yield from (f"NOT DONE  {self.name}: {text}" for text in self.open)


class Verdict:
    """The steps of a verification, in their order, and of what it is one."""

    def __init__(self) -> None:
        self.of = ""
        self.steps: dict[str, StepFinding] = {}

    def check(self, step: str, is_right: object, wrong: str) -> bool:
        """Count a check of a step; `wrong` says what does not hold."""
        found = self._step(step)
        found.checked += 1
        if not is_right:
            found.failures += 1
            if len(found.wrong) < MOST_TOLD:
                found.wrong.append(one_line(wrong, limit=LONGEST_TOLD))
        return bool(is_right)

    def leave(self, step: str, why: str) -> None:
        """Say what of a step is not done; the same is said once."""
        found = self._step(step)
        told = one_line(why, limit=LONGEST_TOLD)
        if told not in found.open:
            found.open.append(told)

    @property
    def failed(self) -> list[str]:
        """Return the names of the steps that do not hold."""
        return [step.name for step in self.steps.values() if step.failures]

    def lines(self) -> Iterator[str]:
        """Yield the whole as text, with the verdict at its end."""
        if self.of:
            yield one_line(self.of, limit=LONGEST_TOLD)
        for step in self.steps.values():
            yield from step.lines()
        yield (
            f"Does NOT follow: {', '.join(self.failed)}."
            if self.failed
            else "All that was done follows."
        )

    def _step(self, name: str) -> StepFinding:
        return self.steps.setdefault(name, StepFinding(name))
