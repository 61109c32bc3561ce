"""Reads the samples of a tournament round, and their truths, from a file.

A row is a sample. Its columns are features, but those named `truth.<field>`, which are
the fields of its truth.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from competitions.errors import TournamentError
from competitions.tournament.opening import MOST_SAMPLES
from core.parsing import JsonError, parse_json
from core.requests import LargeJsonBody
from core.texts import brief, describe

TRUTH = "truth."
LARGEST_BYTES = LargeJsonBody.largest_bytes  # as of a post
_BATCH = 1_000


@dataclass
class Dataset:
    """The rows of a file in order; `lines` says where each stands in it."""

    features: list[dict[str, Any]] = field(default_factory=list)
    truths: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def place(self, sample: int) -> str:
        return f"line {self.lines[sample]}"


def read_dataset(file: Path) -> Dataset:
    """Return the rows of a CSV or Parquet file; raises TournamentError.

    A CSV's first line names the columns. A cell is JSON if it can be, else a text; an
    empty cell is left out. A row of a Parquet file counts as a line, from 1 on; its
    values must be such as JSON has.
    """
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise TournamentError(
            f"{file.name}: a file whose name ends in {' or '.join(readers)} is needed."
        )
    try:
        size = file.stat().st_size
        if size > LARGEST_BYTES:
            raise TournamentError(
                f"{file.name} had {size} bytes; at most {LARGEST_BYTES} are taken."
            )
        return _collected(file, reader(file))
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise TournamentError(f"{file.name}: {describe(error)}") from None


def _collected(file: Path, rows: Iterable[tuple[int, dict[str, Any]]]) -> Dataset:
    found = Dataset()
    for line, row in rows:
        if len(found.lines) == MOST_SAMPLES:
            raise TournamentError(
                f"{file.name}: line {line} was one too many; {MOST_SAMPLES} samples "
                "are taken."
            )
        truth = {
            k.removeprefix(TRUTH): v for k, v in row.items() if k.startswith(TRUTH)
        }
        found.lines.append(line)
        found.truths.append(truth)
        found.features.append({k: v for k, v in row.items() if not k.startswith(TRUTH)})
    return found


def _csv_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        names = next(reader, [])
        _check_names(file, names)
        for cells in reader:
            if not cells:
                continue  # a blank line
            if len(cells) != len(names):
                raise TournamentError(
                    f"{file.name}: line {reader.line_num} had {len(cells)} cells; "
                    f"there are {len(names)} columns."
                )
            named = zip(names, cells, strict=True)
            yield (
                reader.line_num,
                {name: _value(cell) for name, cell in named if cell.strip()},
            )


def _check_names(file: Path, names: list[str]) -> None:
    """Raise TournamentError for columns without a name, or two of one name."""
    for i, name in enumerate(names):
        if not name.strip() or name in names[:i]:
            raise TournamentError(
                f"{file.name}: column {i + 1} was named {brief(name)}; each needs a "
                "name of its own."
            )


def _value(cell: str) -> Any:
    try:
        return parse_json(cell)
    except JsonError:
        return cell


def _parquet_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with pq.ParquetFile(file) as opened:
        _check_names(file, opened.schema_arrow.names)
        line = 0
        for batch in opened.iter_batches(batch_size=_BATCH):
            for row in _as_python(file, batch, line + 1):
                line += 1
                known = {k: v for k, v in row.items() if v is not None}
                _check_json(file, line, known)
                yield line, known


def _as_python(file: Path, batch: Any, first: int) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (ArithmeticError, LookupError, ValueError) as error:
        # An instant that Python has not, or a time zone that nobody knows.
        raise TournamentError(
            f"{file.name}: lines {first} to {first + len(batch) - 1}: {describe(error)}"
        ) from None
    return rows


def _check_json(file: Path, line: int, row: dict[str, Any]) -> None:
    """Raise TournamentError for NaN, instants and what else no post can hold."""
    for name, value in row.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise TournamentError(
                f"{file.name}: line {line}: {brief(name)} was {brief(value)}; "
                "JSON has no such value."
            ) from None
