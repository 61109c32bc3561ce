"""What is told of a failed answer: its code to everybody, its texts to its owner alone.

The texts are a model's own words (errors with lines of its code, refused answers), so
they are for its cruncher's keys, and for operators. All addresses ask this module; what
the log commits to is in proofs.commitments.
"""

from typing import Any

from django.db.models import Case, F, JSONField, Q, TextField, Value, When

from core.acts import SEE_ALL, may


def reads_texts(user: Any, cruncher_id: int | None) -> bool:
    """Return whether a user reads the texts of a cruncher's models.

    The models are of a competition that the user sees (`Competition.seen_by`).
    """
    if may(user, SEE_ALL):
        return True
    own = getattr(user, "cruncher_id", None)
    return own is not None and own == cruncher_id


def told_reason(user: Any) -> Case:
    """Return what a user reads as the reason of predictions: the text, or the code."""
    whole = When(_read_by(user), then=F("reason"))
    return Case(whole, default=F("code"), output_field=TextField())


def told_output(user: Any) -> Case:
    """Return what a user reads as the output of predictions: of others' failures {}."""
    nothing = Value({}, JSONField())
    return Case(When(_read_by(user), then=F("output")), default=nothing)


def _read_by(user: Any) -> Q:
    """Return the condition on predictions that a user reads whole: `reads_texts`."""
    if may(user, SEE_ALL):
        return Q(pk__isnull=False)
    own = getattr(user, "cruncher_id", None)
    answered = Q(outcome="ANSWERED")
    return answered if own is None else answered | Q(model__cruncher=own)
