"""Whole lists as CSV and Parquet, streamed: a part at a time is in memory.

The rows come through a cursor of the server's, so what is sent is the state of one
instant, however long it takes.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from core.clock import iso_z
from core.texts import csv_cell
from crunchsite.v1.columns import Column, Kind

PART = 5_000  # rows in memory at once, and in a group of a Parquet file
Rows = Iterable[Sequence[Any]]

_TYPES: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INSTANT: pa.timestamp("us", "UTC"),
    Kind.DATE: pa.date32(),
    Kind.JSON: pa.string(),
}


def csv_parts(columns: Sequence[Column], rows: Rows) -> Iterator[bytes]:
    """Yield a CSV file: UTF-8, a header, an unknown value empty, instants in UTC.

    No cell runs as a formula in a spreadsheet.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow([column.name for column in columns])
    for part in _in_parts(rows):
        writer.writerows([_cell(value) for value in row] for row in part)
        yield _taken(written)
    if written.tell():
        yield _taken(written)


def parquet_parts(columns: Sequence[Column], rows: Rows) -> Iterator[bytes]:
    """Yield a Parquet file with a type for each column, and groups of `PART` rows."""
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
    written = _Written()
    with pq.ParquetWriter(written, schema, compression="zstd") as writer:
        for part in _in_parts(rows):
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*part, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield written.take()
    yield written.take()


@dataclass(frozen=True)
class FileFormat:
    """How a list is sent as a file; `name` is asked for as `format=`."""

    name: str
    media_type: str
    parts: Callable[[Sequence[Column], Rows], Iterator[bytes]]

    def response(
        self, title: str, columns: Sequence[Column], rows: Rows
    ) -> StreamingHttpResponse:
        """Return the answer that sends the rows while they are read."""
        response = StreamingHttpResponse(
            self.parts(columns, rows), content_type=self.media_type
        )
        response["Content-Disposition"] = content_disposition_header(
            as_attachment=True, filename=f"{title}.{self.name}"
        )
        return response


CSV = FileFormat("csv", "text/csv; charset=utf-8", csv_parts)
PARQUET = FileFormat("parquet", "application/vnd.apache.parquet", parquet_parts)


def _cell(value: Any) -> Any:
    match value:
        case str():
            return csv_cell(value)
        case bool():
            return "true" if value else "false"
        case datetime():
            return iso_z(value)
        case date():
            return value.isoformat()
    return value


def _in_parts(rows: Rows) -> Iterator[list[Sequence[Any]]]:
    left = iter(rows)
    while part := list(islice(left, PART)):
        yield part


def _taken(written: io.StringIO) -> bytes:
    text = written.getvalue()
    written.seek(0)
    written.truncate()
    return text.encode()


class _Written(io.RawIOBase):
    """What the Parquet writer has written since it was last taken."""

    def __init__(self) -> None:
        self._new: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Any) -> int:
        self._new.append(bytes(data))
        self._length += len(self._new[-1])
        return len(self._new[-1])

    def take(self) -> bytes:
        new, self._new = b"".join(self._new), []
        return new
