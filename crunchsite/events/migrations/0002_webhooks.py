import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import crunchsite.events.models


class Migration(migrations.Migration):
    dependencies = [
        ("competitions", "0010_round"),
        ("events", "0001_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
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
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "url",
                    models.CharField(
                        max_length=500,
                        validators=[crunchsite.events.models.is_receiver],
                    ),
                ),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
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
                        blank=True,
                        default=list,
                        help_text="What it is told. None chosen: everything.",
                        size=None,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("secret", models.TextField(editable=False)),
                ("previous_secret", models.TextField(blank=True, editable=False)),
                ("previous_until", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(editable=False)),
                ("busy_until", models.DateTimeField(editable=False, null=True)),
                ("served_at", models.DateTimeField(editable=False, null=True)),
                ("rests_until", models.DateTimeField(editable=False, null=True)),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, editable=False, help_text="In a row."
                    ),
                ),
                ("failing_since", models.DateTimeField(editable=False, null=True)),
                ("last_error", models.TextField(blank=True, editable=False)),
                (
                    "competition",
                    models.ForeignKey(
                        blank=True,
                        help_text="The only one that it is told of. Empty: all that are no drafts, and the site.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="competitions.competition",
                    ),
                ),
            ],
            options={
                "db_table": "webhooks",
                "ordering": ["name"],
                "permissions": [
                    ("secret_webhook", "Can see and rotate the secret of webhook")
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
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
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_at", models.DateTimeField(null=True)),
                ("give_up_at", models.DateTimeField()),
                ("attempted_at", models.DateTimeField(null=True)),
                ("last_status", models.PositiveSmallIntegerField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("given_up_at", models.DateTimeField(null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="events.event",
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="events.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "db_table": "deliveries",
                "ordering": ["-pk"],
                "permissions": [("replay_delivery", "Can send deliveries again")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_at__isnull", False)),
                        fields=["webhook", "next_at"],
                        name="delivery_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("webhook", "event"), name="delivery_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("next_at__isnull", False),
                            ("delivered_at__isnull", False),
                            ("given_up_at__isnull", False),
                            _connector="OR",
                        ),
                        name="delivery_ends_with_an_outcome",
                    ),
                ],
            },
        ),
    ]
