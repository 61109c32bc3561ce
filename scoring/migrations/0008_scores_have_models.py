"""Fill the models of scores, and require them of new ones.

Nothing here waits for the whole table under a lock that others need: rows are filled
some thousands at a time, each in a transaction of its own, and the checks and the index
are made beside readers and writers. Killed at any point, it is run again and goes on:
each step finds what is done. A worker of the version before cannot write scores once
they are filled; what it could not score, a new one scores.
"""

from typing import Any

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

AT_ONCE = 5_000

_FILL = """
    WITH part AS MATERIALIZED (
        SELECT id, prediction_id FROM scores WHERE id > %s ORDER BY id LIMIT %s
    ), filled AS (
        UPDATE scores AS score SET model_id = prediction.model_id
        FROM part JOIN predictions AS prediction ON prediction.id = part.prediction_id
        WHERE score.id = part.id AND score.model_id IS NULL
    )
    SELECT max(id) FROM part
"""
_CHECK = "score_has_model"


def fill(_: Any, schema_editor: Any) -> None:
    """Give all scores the models of their predictions, a part at a time."""
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while last is not None:
            cursor.execute(_FILL, [last, AT_ONCE])
            (last,) = cursor.fetchone()


def require(apps: Any, schema_editor: Any) -> None:
    """Let no score be without a model; rows are looked through without a lock."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE scores DROP CONSTRAINT IF EXISTS {_CHECK}")
        cursor.execute(
            f"ALTER TABLE scores ADD CONSTRAINT {_CHECK} "
            "CHECK (model_id IS NOT NULL) NOT VALID"
        )
    fill(apps, schema_editor)  # those that came meanwhile
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE scores VALIDATE CONSTRAINT {_CHECK}")
        # Proven by the check, so that nothing is read.
        cursor.execute("ALTER TABLE scores ALTER COLUMN model_id SET NOT NULL")
        cursor.execute(f"ALTER TABLE scores DROP CONSTRAINT {_CHECK}")


def require_no_more(_: Any, schema_editor: Any) -> None:
    schema_editor.execute("ALTER TABLE scores ALTER COLUMN model_id DROP NOT NULL")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("scoring", "0007_score_model")]

    operations = [
        # Of many scores, the check and the index take longer than other statements may.
        migrations.RunSQL("SET statement_timeout = 0", "RESET statement_timeout"),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(require, require_no_more)],
            state_operations=[
                migrations.AlterField(
                    "score",
                    "model",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="competitions.participantmodel",
                    ),
                )
            ],
        ),
        # One that was not finished is left behind, and is none.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS score_order_of_model",
            migrations.RunSQL.noop,
        ),
        AddIndexConcurrently(
            "score",
            models.Index(
                fields=["model", "scored_at", "id"], name="score_order_of_model"
            ),
        ),
        migrations.RunSQL("RESET statement_timeout", "SET statement_timeout = 0"),
    ]
