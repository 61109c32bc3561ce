"""What all acts over the API have: a permission, a body, an answer, once for a key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as InvalidRowError
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from competitions.models import Competition
from competitions.reporting import chosen_competition
from crunchsite.v1.acts import once

OPERATE, EVENTS, PAYOUTS = "Operate", "Events", "Payouts"
LONGEST_REASON = 300  # as on the admin's pages
IDEMPOTENCY = OpenApiParameter(
    once.HEADER,
    location=OpenApiParameter.HEADER,
    description="Of your choice, new for each act: what is asked again with it within "
    "24 hours is not done again, and answered as before.",
)


class Reason(serializers.Serializer[Any]):
    """Why; kept in the trail."""

    reason = serializers.CharField(max_length=LONGEST_REASON)


class ActMessage(serializers.Serializer[Any]):
    """What was done, in a sentence."""

    message = serializers.CharField()


class ActView(APIView):
    """Do `act` when it is posted: as a whole with its trail, once for a key.

    `is_atomic` is False for what must not hold one transaction open, or reaches beyond
    the database; see crunchsite.v1.acts.once.
    """

    is_atomic = True
    act: Callable[..., Response]  # of the request and the parts of its address

    def post(self, request: Request, **parts: str) -> Response:
        """Do the act, or answer as it did before."""
        return once.once(
            request, lambda: self.act(request, **parts), is_atomic=self.is_atomic
        )


def posts(
    tag: str,
    body: Any,
    answer: Any,
    *,
    status: int = 200,
    asked: Mapping[str, Any] | None = None,
    answered: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Callable[[Any], Any]:
    """Describe a `post` for the schema, with its examples."""
    examples = [
        *([OpenApiExample("Asked", asked, request_only=True)] if asked else []),
        *(
            [
                OpenApiExample(
                    "Answered",
                    answered,
                    response_only=True,
                    status_codes=[str(status)],
                )
            ]
            if answered
            else []
        ),
    ]
    return extend_schema(
        tags=[tag],
        parameters=[IDEMPOTENCY],
        request=body,
        responses={status: answer},
        examples=examples,
    )


def competition_of(request: Request, slug: str) -> Competition:
    """Return the competition of an address.

    Raises NotFound, and PermissionDenied for the key of another competition.
    """
    found = chosen_competition({"competition": slug}, request.user)
    assert found is not None  # a slug that is unknown raises
    return found


@contextmanager
def rules_of_rows() -> Iterator[None]:
    """Turn what a row's own rules refuse into a refusal that names the field."""
    try:
        yield
    except InvalidRowError as error:
        raise serializers.ValidationError(
            {
                name: [
                    serializers.ErrorDetail(text, code=each.code or "invalid")
                    for each in errors
                    for text in each.messages
                ]
                for name, errors in _by_field(error).items()
            }
        ) from None


def _by_field(error: InvalidRowError) -> dict[str, Any]:
    """Return the problems by field; those of the whole row as REST framework does."""
    found = dict(error.error_dict)
    if NON_FIELD_ERRORS in found:
        found["non_field_errors"] = found.pop(NON_FIELD_ERRORS)
    return found
