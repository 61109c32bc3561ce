"""Empty the tables after a test that committed, by DELETE.

TRUNCATE gives each of some hundred tables and indexes a new file, which takes longer
than most tests; what a test leaves is a few rows.
"""

from django.db.backends.postgresql.operations import DatabaseOperations

# What `flush` would make again, row by row, from the models.
FIXED = {"django_content_type", "auth_permission"}
_truncate = DatabaseOperations.sql_flush


def by_delete() -> None:
    """Let Django's `flush` delete rows in this process."""
    DatabaseOperations.sql_flush = _sql_flush


def _sql_flush(self, style, tables, *, reset_sequences=False, allow_cascade=False):
    """Return the statements for `flush`, which runs them in one transaction."""
    if not tables or reset_sequences:
        return _truncate(
            self,
            style,
            tables,
            reset_sequences=reset_sequences,
            allow_cascade=allow_cascade,
        )
    return [
        # No trigger fires: neither foreign keys', nor one that forbids a deletion.
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {self.quote_name(table)}" for table in set(tables) - FIXED),
        "SET LOCAL session_replication_role = origin",
    ]
