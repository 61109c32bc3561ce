"""Rounds whose samples and truths are posted, instead of the grid and the tape."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("competitions", "0010_round"),
    ]

    operations = [
        migrations.AddField(
            model_name="round",
            name="sample",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="TournamentRound",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("round_id", models.CharField(max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("OPEN", "Open"),
                            ("INFERRED", "Inferred"),
                            ("SCORED", "Scored"),
                            ("VOID", "Void"),
                        ],
                        default="OPEN",
                        max_length=8,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("samples", models.PositiveIntegerField()),
                ("asked", models.PositiveIntegerField(default=0)),
                ("features_digest", models.CharField(max_length=64)),
                ("truth_digest", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                ("inferred_at", models.DateTimeField(blank=True, null=True)),
                ("truth_at", models.DateTimeField(blank=True, null=True)),
                ("scored_at", models.DateTimeField(blank=True, null=True)),
                (
                    "competition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tournament_rounds",
                        to="competitions.competition",
                    ),
                ),
                (
                    "scheduled_prediction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tournament_rounds",
                        to="competitions.scheduledprediction",
                    ),
                ),
            ],
            options={
                "db_table": "tournament_rounds",
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="round",
            name="tournament",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rounds",
                to="competitions.tournamentround",
            ),
        ),
        migrations.AddConstraint(
            model_name="round",
            constraint=models.UniqueConstraint(
                condition=models.Q(("tournament__isnull", False)),
                fields=("tournament", "sample"),
                name="round_sample_unique",
            ),
        ),
        migrations.AddIndex(
            model_name="tournamentround",
            index=models.Index(
                condition=models.Q(("status", "OPEN")),
                fields=["competition", "created_at"],
                name="tournament_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="tournamentround",
            constraint=models.UniqueConstraint(
                fields=("competition", "round_id"), name="tournament_round_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="tournamentround",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["OPEN", "INFERRED", "SCORED", "VOID"])
                ),
                name="tournament_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="tournamentround",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("asked__lte", models.F("samples")), ("samples__gt", 0)
                ),
                name="tournament_samples_counted",
            ),
        ),
    ]
