"""Write many rows with COPY, the fastest way that psycopg2 has."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import pack
from typing import Any

from core.texts import storable, storable_json

_dumps = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode

# The binary format of COPY: its signature with no flags and no extension, and its end.
_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_SINCE, _TICK = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class _Null:
    """NULL, which the csv writer treats as a number and so does not quote.

    COPY reads the mark as NULL only if it is not quoted. All texts are quoted, so no
    text can be mistaken for it.
    """

    def __float__(self) -> float:
        raise NotImplementedError

    def __str__(self) -> str:
        return r"\N"


_NULL = _Null()


def _json(value: Any) -> str:
    text = _dumps(value)
    # The one escape that PostgreSQL refuses; raw surrogates are replaced below.
    return _dumps(storable_json(value)) if r"\u0000" in text else text


def _field(value: Any) -> Any:
    if value is None:
        return _NULL
    if isinstance(value, (dict, list)):
        return _json(value)
    return value


def copy_rows(
    cursor: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Append `rows` to `table` with one COPY, in the cursor's transaction.

    `table` and `columns` are names from code, never from a user. Dicts and lists become
    JSON; NaN in them raises ValueError. Any text is kept as it is, but for NUL and lone
    surrogates, which PostgreSQL cannot hold. `cursor` is psycopg2's, or Django's around
    it.
    """
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(
        [_field(value) for value in row] for row in rows
    )
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.copy_expert(
        f"COPY {table} ({names}) FROM STDIN WITH (FORMAT csv, NULL '\\N')",
        io.StringIO(storable(buffer.getvalue()), newline=""),
    )


def copy_binary(
    cursor: Any,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[bytes | str | int | datetime | None]],
) -> None:
    """Append `rows` like `copy_rows`, in the binary format: bytes go in as they are.

    For rows with kilobytes of bytes, which as text take three times as long. The column
    of an int is a bigint, that of a datetime a timestamptz.
    """
    count = pack("!h", len(columns))
    fields = b"".join(count + b"".join(map(_packed, row)) for row in rows)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.copy_expert(
        f"COPY {table} ({names}) FROM STDIN WITH (FORMAT binary)",
        io.BytesIO(_HEADER + fields + _TRAILER),
    )


def _packed(value: bytes | str | int | datetime | None) -> bytes:
    match value:
        case None:
            return pack("!i", -1)
        case int():
            return pack("!iq", 8, value)
        case datetime():
            return pack("!iq", 8, (value - _SINCE) // _TICK)
        case str():
            value = value.encode()
    return pack("!i", len(value)) + value
