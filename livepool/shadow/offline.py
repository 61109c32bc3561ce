"""Read a shadow history offline, with the standard library only."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ShadowRelease:
    """One line of release_index.csv."""

    version: str
    as_of_date: date
    activation_date: date
    symbols: tuple[str, ...]
    folder: Path

    def payload(self) -> dict[str, Any]:
        """Read the release's live_pool.json."""
        found = json.loads((self.folder / self.version / "live_pool.json").read_bytes())
        return dict(found)


def releases(folder: Path) -> Iterator[ShadowRelease]:
    """Yield the releases of the history in `folder`, oldest first."""
    with (folder / "release_index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield ShadowRelease(
                version=row["version"],
                as_of_date=date.fromisoformat(row["as_of_date"]),
                activation_date=date.fromisoformat(row["activation_date"]),
                symbols=tuple(row["symbols"].split("|")),
                folder=folder,
            )


def active_on(folder: Path, day: date) -> ShadowRelease | None:
    """Return the release that was active on `day`: the latest one activated by then."""
    known = [r for r in releases(folder) if r.activation_date <= day]
    return max(known, key=lambda r: (r.activation_date, r.as_of_date), default=None)
