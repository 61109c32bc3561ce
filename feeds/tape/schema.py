"""Build and migrate the tape's schema with Alembic; `manage.py migrate` calls it.

Alembic takes a tenth of the time that a process needs to start: it is imported by those
who migrate, or look whether they must.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from feeds.tape.engine import engine
from feeds.tape.tables import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 7_405_002


def _config(connection: sa.Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def pending() -> list[str]:
    """Return the revisions that the database lacks, oldest first."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    with engine().connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table_schema": SCHEMA}
        )
        current = context.get_current_heads()
    revisions = scripts.iterate_revisions("heads", current or "base")
    return [f"{r.revision}: {r.doc}" for r in revisions][::-1]


def upgrade() -> None:
    """Bring the tape's schema up to date; running twice at once does no harm."""
    from alembic import command

    with engine().begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        command.upgrade(_config(connection), "head")
