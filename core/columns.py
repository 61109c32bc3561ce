"""Query results as numpy columns, without a Python object per cell."""

from io import BytesIO
from typing import Any

import numpy as np

from core.rounding import LARGEST

# PostgreSQL's binary COPY: a signature and two words before, one short after the rows.
_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_INTEGER, _FLOAT = ">i8", ">f8"


def json_number(column: str, name: str) -> str:
    """Return the SQL of a JSON field as double precision, NULL if not a valid number.

    `name` is a field of a contract or of a metric. The result goes through `%` later.
    """
    quoted = name.replace("'", "''").replace("%", "%%")
    # Extracted once: each access to a large document unpacks the whole of it.
    return (
        "(SELECT CASE WHEN jsonb_typeof(field) = 'number' "
        f"AND abs(field::numeric) <= {LARGEST:g} THEN field::float8 END "
        f"FROM (SELECT {column} -> '{quoted}' AS field OFFSET 0) AS picked)"
    )


def read_columns(
    cursor: Any, sql: str, parameters: list[Any], **columns: type
) -> dict[str, np.ndarray]:
    """Run a query of bigint and double precision columns, none of them NULL.

    `columns` names them in order and says `int` or `float`; NULL has no place in a
    column of numbers, so the query gives 'NaN' instead. An instant is an `int` too: the
    microseconds since 2000.
    """
    row: list[tuple[str, str]] = [("", ">i2")]
    for name, kind in columns.items():
        row += [(f"{name} length", ">i4"), (name, _INTEGER if kind is int else _FLOAT)]
    buffer = BytesIO()
    query = cursor.mogrify(sql, parameters).decode()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", buffer)
    rows = np.frombuffer(
        buffer.getbuffer()[_HEADER_BYTES:-_TRAILER_BYTES],
        dtype=[(name or "fields", kind) for name, kind in row],
    )
    return {
        name: rows[name].astype(np.int64 if kind is int else np.float64)
        for name, kind in columns.items()
    }
