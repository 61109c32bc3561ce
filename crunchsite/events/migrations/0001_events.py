import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("competitions", "0010_round"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
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
                (
                    "number",
                    models.BigIntegerField(editable=False, null=True, unique=True),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("round.performed", "Round Performed"),
                            ("round.scored", "Round Scored"),
                            ("round.unresolvable", "Round Unresolvable"),
                            ("round.void", "Round Void"),
                            ("board.moved", "Board Moved"),
                            ("checkpoint.made", "Checkpoint Made"),
                            ("checkpoint.confirmed", "Checkpoint Confirmed"),
                            ("checkpoint.claimable", "Checkpoint Claimable"),
                            ("checkpoint.paid", "Checkpoint Paid"),
                            ("checkpoint.corrected", "Checkpoint Corrected"),
                            ("release.published", "Release Published"),
                            ("release.rolled_back", "Release Rolled Back"),
                            ("model.failed", "Model Failed"),
                            ("model.quarantined", "Model Quarantined"),
                            ("feed.stale", "Feed Stale"),
                            ("feed.fresh", "Feed Fresh"),
                            ("competition.activated", "Competition Activated"),
                            ("competition.paused", "Competition Paused"),
                            ("competition.ended", "Competition Ended"),
                            ("rule.changed", "Rule Changed"),
                        ],
                        max_length=40,
                    ),
                ),
                ("payload", models.JSONField(db_column="payload_jsonb", default=dict)),
                (
                    "at",
                    models.DateTimeField(
                        help_text="When it happened, by the site's clock."
                    ),
                ),
                (
                    "competition",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="competitions.competition",
                    ),
                ),
            ],
            options={
                "db_table": "events",
                "ordering": ["-number", "-pk"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("number__isnull", True)),
                        fields=["id"],
                        name="event_waiting",
                    ),
                    models.Index(
                        fields=["competition", "number"], name="event_of_competition"
                    ),
                    models.Index(fields=["at"], name="event_time"),
                ],
            },
        ),
        # Numbers are never given twice, whatever is deleted.
        migrations.RunSQL(
            "CREATE SEQUENCE event_numbers", "DROP SEQUENCE event_numbers"
        ),
    ]
