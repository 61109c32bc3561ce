"""Enrol a participant who has no model yet, so that a key can be made for them."""

from django.db import transaction
from django.db.models import Max

from competitions.local_models import submission
from competitions.models import Competition, Cruncher
from core import clock
from core.errors import OperatorError
from core.texts import brief


class CruncherInvalidError(OperatorError):
    """A text that cannot be a cruncher's id."""

    code = "cruncher_invalid"
    status = 422


@transaction.atomic
def enrol(*, competition: Competition, cruncher_id: str) -> Cruncher:
    """Return the cruncher of an id, which is made with the next index if there is none.

    Raises CruncherInvalidError.
    """
    if not submission.is_model_id(cruncher_id):  # as long, and as readable
        raise CruncherInvalidError(
            f"cruncher was {brief(cruncher_id)}; use letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit."
        )
    # One at a time, as when models are announced: an index is one cruncher's.
    Competition.objects.held().get(pk=competition.pk)
    highest = competition.crunchers.aggregate(found=Max("cruncher_index"))["found"]
    return competition.crunchers.get_or_create(
        cruncher_id=cruncher_id,
        defaults={
            "name": cruncher_id,
            "cruncher_index": 0 if highest is None else highest + 1,
            "created_at": clock.now(),
        },
    )[0]
