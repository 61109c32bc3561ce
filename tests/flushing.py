"""How the tests' database is emptied after a test that committed, and dropped.

By DELETE: TRUNCATE gives each of some hundred tables and indexes a new file, which
takes longer than most tests; what a test leaves is a few rows.
"""

from django.core.management.commands import flush
from django.db.backends.postgresql.creation import DatabaseCreation
from django.db.backends.postgresql.operations import DatabaseOperations

# What migrations have made: kinds of rows, permissions and roles.
KEPT = {
    *("django_content_type", "auth_permission"),
    *("auth_group", "auth_group_permissions"),
}
_truncate = DatabaseOperations.sql_flush
_create = DatabaseCreation._execute_create_test_db


def by_delete() -> None:
    """Let Django's `flush` delete rows in this process, and make none again."""
    DatabaseOperations.sql_flush = _sql_flush
    flush.emit_post_migrate_signal = lambda *_: None


def drop_for_good() -> None:
    """Let Django drop the database although a thread of a test has a session left.

    And what a run that was killed has left, before the database is made anew.
    """
    DatabaseCreation._destroy_test_db = _destroy_test_db
    DatabaseCreation._execute_create_test_db = _execute_create_test_db


def _destroy_test_db(self, test_database_name, verbosity):
    with self._nodb_cursor() as cursor:
        _drop(cursor, self._quote_name(test_database_name))


def _execute_create_test_db(self, cursor, parameters, keepdb=False):
    if not keepdb:
        _drop(cursor, parameters["dbname"])
    _create(self, cursor, parameters, keepdb)


def _drop(cursor, quoted_name):
    cursor.execute(f"DROP DATABASE IF EXISTS {quoted_name} WITH (FORCE)")


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
        *(f"DELETE FROM {self.quote_name(table)}" for table in set(tables) - KEPT),
        "SET LOCAL session_replication_role = origin",
    ]
