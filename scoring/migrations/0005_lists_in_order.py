"""The orders of the lists of scores and snapshots, with the key that makes them total."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0004_board_says_over_how_much")]

    operations = [
        migrations.AddIndex(
            "score",
            models.Index(fields=["scored_at", "id"], name="score_order"),
        ),
        migrations.RemoveIndex("score", "score_time"),
        migrations.AddIndex(
            "snapshot",
            models.Index(fields=["period_start", "id"], name="snapshot_order"),
        ),
    ]
