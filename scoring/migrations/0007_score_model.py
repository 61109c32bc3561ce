"""A score's model, unknown of the scores that are there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("competitions", "0017_submitted_versions"),
        ("scoring", "0006_trading_books"),
    ]

    operations = [
        migrations.AddField(
            "score",
            "model",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="competitions.participantmodel",
            ),
        ),
    ]
