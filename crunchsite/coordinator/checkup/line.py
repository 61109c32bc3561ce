"""One line of the doctor's report."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["OK", "WARN", "FAIL", "SKIP"]


@dataclass(frozen=True)
class Line:
    """What one check found, and what to do; `code` never changes.

    FAIL keeps the competition from running as it should; WARN may be meant; SKIP was
    not checked, and says why.
    """

    level: Level
    code: str
    found: str
    do: str = ""

    def __str__(self) -> str:
        advice = f" {self.do}" if self.do else ""
        return f"{self.level:<4}  {self.code:<20}  {self.found}{advice}"


def has_failed(lines: Iterable[Line]) -> bool:
    return any(line.level == "FAIL" for line in lines)


def or_ok(bad: list[Line], code: str, found: str) -> list[Line]:
    """Return the bad lines, or one that says that all is well."""
    return bad or [Line("OK", code, found)]
