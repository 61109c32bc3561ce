"""Answers of acts, kept so that a request that comes again does nothing again."""

from django.conf import settings
from django.db import models


class Answer(models.Model):
    """What an act answered to one holder's `Idempotency-Key`.

    `digest` is of the request that was answered; `body` is sealed, because some answers
    hold a secret that is shown once. `created_at` is the wall's: clients live there.
    """

    holder = models.ForeignKey(
        # The unique constraint serves as its index.
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "act_answers"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["holder", "key"], name="answer_unique")
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.holder_id}"
