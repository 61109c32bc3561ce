"""API keys: hashed, with scopes, bound to a competition or a cruncher."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from competitions.models import Competition, Cruncher
from core import clock
from core.texts import one_line
from crunchsite.keys.key_scopes import OF_CRUNCHER, KeyScope


class ApiKey(models.Model):
    """A key that was made; its text was shown once, and only its hash is stored."""

    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    name = models.CharField(max_length=80, help_text="The program that uses it.")
    scopes = ArrayField(models.CharField(max_length=20, choices=KeyScope.choices))
    # A key is deleted with its competition: without one it would apply to all.
    competition = models.ForeignKey(
        Competition,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="The competition that it is bound to. Empty: the whole site.",
    )
    cruncher = models.ForeignKey(
        Cruncher,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="The cruncher that it is bound to, with only read and write:models.",
    )
    # Nobody can log in with it; the trail uses its name.
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, editable=False
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(
        null=True, editable=False, help_text="To the minute."
    )

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = "API key"
        default_permissions = ("add", "view")
        permissions = [("revoke_apikey", "Can revoke API key")]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__len__gt=0), name="key_has_a_scope"
            ),
            models.CheckConstraint(
                condition=Q(cruncher=None)
                | Q(competition__isnull=False, scopes__contained_by=list(OF_CRUNCHER)),
                name="key_of_cruncher_writes_models_alone",
            ),
            models.CheckConstraint(
                condition=Q(cruncher__isnull=False)
                | ~Q(scopes__contains=[KeyScope.MODELS]),
                name="key_of_models_has_a_cruncher",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def shown(self) -> str:
        """Return the part of the key that may be shown."""
        return f"csk_{self.prefix}_…"

    @property
    def reach(self) -> str:
        """Return what the key applies to, for people."""
        if self.cruncher:
            return f"{self.cruncher.name} in {self.cruncher.competition.slug}"
        return self.competition.slug if self.competition else "the site"

    def state_at(self, at: datetime) -> str:
        """Return `live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= at
        return "expired" if is_over else "live"

    def clean(self) -> None:
        """Refuse scopes that the cruncher cannot have, and an end in the past."""
        if self.cruncher and not self.competition:
            self.competition = self.cruncher.competition
        found = dict(_misfits(self, set(self.scopes or ())))
        if found:
            raise ValidationError(found)


def _misfits(key: ApiKey, scopes: set[str]) -> Iterator[tuple[str, str]]:
    if key.name != one_line(key.name, limit=80):
        yield "name", "This holds a character that cannot be shown."
    if key.cruncher and not scopes <= set(OF_CRUNCHER):
        yield "scopes", f"A cruncher's key has {' and '.join(OF_CRUNCHER)} alone."
    if KeyScope.MODELS in scopes and not key.cruncher:
        yield (
            "cruncher",
            f"{KeyScope.MODELS} is for the models of one cruncher; name it.",
        )
    if key.cruncher and key.cruncher.competition != key.competition:
        yield "cruncher", "This cruncher takes part in another competition."
    if key.expires_at and key.expires_at <= clock.now():
        yield "expires_at", "This is in the past; give a future instant."
