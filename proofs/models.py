"""The site's append-only log: leaves, the tiles of its tree, and signed heads."""

from typing import Any

from django.db import models
from django.db.models import Q, TextChoices


class LogLeafQuerySet(models.QuerySet["LogLeaf"]):
    def waiting(self) -> "LogLeafQuerySet":
        """Return leaves that no head covers yet, as they were written."""
        return self.filter(index=None).order_by("pk")

    def sealed(self) -> "LogLeafQuerySet":
        """Return leaves below a signed head, in the order of the log."""
        return self.filter(index__isnull=False).order_by("index")


class LogLeaf(models.Model):
    """A fact's entry in the log, written in the transaction of the fact.

    `index` is its place, given by proofs.sealing together with the head that covers it.
    What `entry` commits to is `inner`: the leaf hashes, 32 bytes each, of the tree
    whose root it names. `seed` makes a round's nonces, and is never shown.
    """

    class Kind(TextChoices):
        KEY = "key"
        ROUND = "round"
        PERIOD = "period"
        RULES = "rules"
        CHECKPOINT = "checkpoint"
        SETTLEMENT = "settlement"
        RELEASE = "release"

    index = models.BigIntegerField(null=True, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(
        max_length=200,
        db_collation="C",  # instants in it are compared
        help_text="Names the fact in its kind.",
    )
    # The table of competitions is above this app.
    competition = models.BigIntegerField(null=True, db_column="competition_id")
    entry = models.BinaryField()
    inner = models.BinaryField(null=True)
    seed = models.BinaryField(null=True)
    at = models.DateTimeField(help_text="When it was written, by the site's clock.")

    objects = LogLeafQuerySet.as_manager()

    class Meta:
        db_table = "log_leaves"
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="leaf_of_fact")
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(index__isnull=True), name="leaf_waiting"
            ),
            models.Index(
                fields=["competition", "id"],
                condition=Q(kind="period"),
                name="leaf_of_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def text(self) -> str:
        """Return the entry, which is JSON."""
        return bytes(self.entry).decode()

    @property
    def hashes(self) -> list[bytes]:
        """Return the leaf hashes of the inner tree; none for kinds without one."""
        inner = bytes(self.inner or b"")
        return [inner[start : start + 32] for start in range(0, len(inner), 32)]


class LogTile(models.Model):
    """The hashes of a tile (c2sp.org/tlog-tiles) that are known, 32 bytes each.

    A row grows to 256 hashes; a partial tile of w hashes is its first w.
    """

    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        db_table = "log_tiles"
        ordering = ["level", "index"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["level", "index"], name="tile_once")
        ]

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class LogCheckpoint(models.Model):
    """A head of the log that was signed: one for each size, so there is no fork."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    note = models.TextField(help_text="The signed note (c2sp.org/tlog-checkpoint).")
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "log_checkpoints"
        ordering = ["-size"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"head of {self.size}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only: a head that was signed is never changed."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)


class WitnessQuerySet(models.QuerySet["Witness"]):
    def active(self) -> "WitnessQuerySet":
        """Return those that may cosign."""
        return self.filter(retired_at=None)


class Witness(models.Model):
    """Somebody who cosigns heads after having checked that the log only grew."""

    vkey = models.CharField(max_length=400, unique=True)
    owner = models.CharField(max_length=80, help_text="Who runs it.")
    url = models.CharField(
        max_length=300,
        blank=True,
        help_text="Where it takes heads (c2sp.org/tlog-witness); empty: it comes here.",
    )
    size = models.BigIntegerField(default=0, help_text="Of the head it cosigned last.")
    error = models.TextField(blank=True, help_text="What failed last; else empty.")
    refused_at = models.DateTimeField(
        null=True, help_text="Since when it says that the log was rewritten."
    )
    retired_at = models.DateTimeField(
        null=True, help_text="Since when it may not cosign; what it had signed stays."
    )
    created_at = models.DateTimeField()

    objects = WitnessQuerySet.as_manager()

    class Meta:
        db_table = "log_witnesses"
        ordering = ["owner", "pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.vkey.partition("+")[0]


class Cosignature(models.Model):
    """A witness's signature of a head, which says when it was made."""

    head = models.ForeignKey(
        LogCheckpoint, on_delete=models.CASCADE, related_name="cosignatures"
    )
    witness = models.ForeignKey(
        Witness, on_delete=models.PROTECT, related_name="cosignatures"
    )
    line = models.TextField()
    cosigned_at = models.DateTimeField(help_text="By the witness's own clock.")

    class Meta:
        db_table = "log_cosignatures"
        ordering = ["head", "cosigned_at", "pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["head", "witness"], name="cosigned_once_by_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.witness} of {self.head_id}"


class LogTimestamp(models.Model):
    """What an authority of time stamps (RFC 3161) answered about a head's note."""

    head = models.OneToOneField(
        LogCheckpoint,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="timestamp",
    )
    answer = models.BinaryField(help_text="The TimeStampResp, which names its signer.")
    stamped_at = models.DateTimeField(help_text="By the authority's clock.")

    class Meta:
        db_table = "log_timestamps"
        ordering = ["-head_id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"time stamp of {self.head_id}"
