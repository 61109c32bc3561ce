"""Bulk writes: COPY, the fastest way into PostgreSQL that psycopg2 has."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

# A control character that no text of ours holds, so '' and NULL stay apart.
_NULL = "\x01"


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _field(value: Any) -> Any:
    if value is None:
        return _NULL
    if isinstance(value, (dict, list)):
        return _encode(value)
    return value


def copy_rows(
    cursor: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Append `rows` to `table` with one COPY, in the cursor's transaction.

    `table` and `columns` are names from code, never from a user. Dicts and lists become
    JSON; NaN in them raises ValueError. `cursor` is psycopg2's, or Django's around it.
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(
        [_field(value) for value in row] for row in rows
    )
    buffer.seek(0)
    names = ", ".join(f'"{column}"' for column in columns)
    raw = getattr(cursor, "cursor", cursor)
    raw.copy_expert(
        f"COPY {table} ({names}) FROM STDIN WITH (FORMAT csv, NULL E'\\x01')", buffer
    )
