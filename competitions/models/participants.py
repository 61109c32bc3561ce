"""Participants: crunchers and their models."""

from django.db import models
from django.db.models import Q, TextChoices

from competitions.models.competition import Competition


class Cruncher(models.Model):
    """A participant; `cruncher_index` is their stable index in emissions."""

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="crunchers"
    )
    cruncher_id = models.CharField(
        max_length=120, help_text="Id given by the orchestrator."
    )
    name = models.CharField(max_length=200)
    wallet = models.CharField(max_length=120, blank=True)
    cruncher_index = models.PositiveIntegerField(
        help_text="Index on chain; emissions pay this index."
    )
    created_at = models.DateTimeField()

    class Meta:
        db_table = "crunchers"
        ordering = ["competition", "cruncher_index"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "cruncher_id"], name="cruncher_id_unique"
            ),
            models.UniqueConstraint(
                fields=["competition", "cruncher_index"], name="cruncher_index_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.name


# The orchestrator says why; see local_models/orchestrator.py.
QUARANTINE = "quarantined: "
QUARANTINED = Q(state="STOPPED", last_error__startswith=QUARANTINE)
ELIGIBLE = Q(is_virtual=False, excluded_at=None)
LONGEST_REASON = 300


class ParticipantModelQuerySet(models.QuerySet["ParticipantModel"]):
    def real(self) -> "ParticipantModelQuerySet":
        """Return participants' models; ensembles are neither asked nor paid."""
        return self.filter(is_virtual=False)

    def eligible(self) -> "ParticipantModelQuerySet":
        """Return models that are ranked, paid and weighed in ensembles at present."""
        return self.filter(ELIGIBLE)

    def expected(self, competition: Competition) -> "ParticipantModelQuerySet":
        """Return the expected models of a round: all that have not left."""
        return (
            self.real()
            .filter(competition=competition)
            .exclude(state=ParticipantModel.State.STOPPED)
        )

    def quarantined(self) -> "ParticipantModelQuerySet":
        """Return models that are not restarted until their code changes."""
        return self.real().filter(QUARANTINED)


class ParticipantModel(models.Model):
    """A participant's model, or (virtual) an ensemble of them."""

    class State(TextChoices):
        RUNNING = "RUNNING"
        RECOVERING = "RECOVERING"
        STOPPED = "STOPPED"

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="models"
    )
    model_id = models.CharField(
        max_length=120, help_text="Id given by the orchestrator."
    )
    name = models.CharField(max_length=200)
    cruncher = models.ForeignKey(
        Cruncher, on_delete=models.PROTECT, related_name="models", null=True, blank=True
    )
    deployment_id = models.CharField(max_length=200, blank=True)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.RUNNING
    )
    is_virtual = models.BooleanField(default=False)
    last_error = models.TextField(
        blank=True, help_text="Text of the model's own last error, for its owner."
    )
    last_error_at = models.DateTimeField(null=True, blank=True)
    first_error_at = models.DateTimeField(
        "failing since",
        null=True,
        blank=True,
        help_text="Its first error since its last success; NULL while it succeeds.",
    )
    last_seen_at = models.DateTimeField(null=True, blank=True)
    excluded_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when it is out of ranking and pay; NULL while it is in.",
    )
    exclusion_reason = models.CharField(
        max_length=LONGEST_REASON,
        blank=True,
        default="",
        db_default="",
        help_text="Why it is out, for everybody to read.",
    )
    meta = models.JSONField(default=dict, blank=True, db_column="meta_jsonb")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = ParticipantModelQuerySet.as_manager()

    class Meta:
        db_table = "models"
        ordering = ["competition", "model_id"]
        permissions = [
            ("operate_participantmodel", "Can start, stop and restart local models"),
            ("exclude_participantmodel", "Can exclude models from ranking and pay"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "model_id"], name="model_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(is_virtual=True) | Q(cruncher__isnull=False),
                name="model_has_cruncher",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["RUNNING", "RECOVERING", "STOPPED"]),
                name="model_state_known",
            ),
            models.CheckConstraint(
                condition=Q(excluded_at=None, exclusion_reason="")
                | Q(excluded_at__isnull=False) & ~Q(exclusion_reason=""),
                name="model_exclusion_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name
