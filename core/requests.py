"""Read the parameters of a request with their types: ids, lists, instants, JSON.

An invalid value is refused under its parameter's name, with a code.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request

from core.parsing import LARGEST_BYTES, MOST_VALUES, JsonError, parse_json
from core.texts import listed

# Wide enough for any market, narrow enough for every sum of an instant and a period.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
LONGEST_ID = 200
MOST_IDS = 1000


class BodyTooLargeError(APIException):
    status_code = 413
    default_code = "body_too_large"

    def __init__(self, largest_bytes: int = LARGEST_BYTES) -> None:
        super().__init__(
            f"The body is too large; at most {largest_bytes} bytes are taken."
        )


class _BoundedJson(BaseParser):
    largest_bytes, most_values = LARGEST_BYTES, MOST_VALUES

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        data = stream.read(self.largest_bytes + 1)
        if len(data) > self.largest_bytes:
            raise BodyTooLargeError(self.largest_bytes)
        try:
            return parse_json(
                data, largest_bytes=self.largest_bytes, most_values=self.most_values
            )
        except JsonError as error:
            raise ParseError(f"The body {error}.", code="body_invalid") from None


class JsonBody(_BoundedJson, JSONParser):
    """Parse a body of UTF-8 JSON with finite numbers, of bounded size and depth."""


class LargeJsonBody(_BoundedJson):
    """Parse a body of up to 16 MiB, for views that name this in `parser_classes`.

    Not a subclass of JSONParser, for which REST framework reads no more than Django's
    limit.
    """

    media_type = "application/json"
    largest_bytes, most_values = 16 * 2**20, 1_000_000


def read_instant(text: Any) -> datetime:
    """Return the instant of an ISO 8601 text with an offset; raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    if not EARLIEST <= instant < LATEST:
        raise ValueError(f"{text} is out of range")
    return instant


def read_id(text: str) -> int:
    """Return the primary key that an address names, or -1, which no row has."""
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if is_number else -1


class InstantField(serializers.DateTimeField):
    """An instant from 1970 up to 2200."""

    default_error_messages = {
        "invalid": "was no instant; write it like 2026-03-01T12:00:00Z. A + in an "
        "address is written %2B.",
        "out_of_range": f"must be from {EARLIEST:%Y} on and before {LATEST:%Y}.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        instant = super().to_internal_value(value)
        if not EARLIEST <= instant < LATEST:
            self.fail("out_of_range")
        return instant


class DayField(serializers.DateField):
    """A day from 1970 up to 2200, so that there is a day after it."""

    default_error_messages = {
        "out_of_range": InstantField.default_error_messages["out_of_range"]
    }

    def to_internal_value(self, value: Any) -> date:
        day = super().to_internal_value(value)
        if not EARLIEST.date() <= day < LATEST.date():
            self.fail("out_of_range")
        return day


class IdField(serializers.CharField):
    """An id or a name that a user chose and that a column can hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": LONGEST_ID, **options})


@extend_schema_field(OpenApiTypes.STR)
class IdListField(serializers.ListField):
    """Ids in a repeatable parameter whose values may also be comma separated."""

    child = IdField()

    def __init__(self, **options: Any) -> None:
        help_text = "Repeatable, or comma separated."
        super().__init__(**{"max_length": MOST_IDS, "help_text": help_text, **options})

    def to_internal_value(self, data: Any) -> list[str]:
        ids = [part for value in data for part in listed(value)]
        return super().to_internal_value(ids)


def read_query(
    query_class: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the query's checked values; raises ValidationError naming the bad one."""
    checked: dict[str, Any] = _reader(query_class).run_validation(request.query_params)
    return checked


@cache
def _reader(query_class: type[serializers.Serializer[Any]]) -> Any:
    """Make the one serializer that reads all queries of a class; it keeps nothing.

    Making one takes longer than all that it reads.
    """
    return query_class()


def read_body(
    body_class: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """Return the body's checked values; raises ValidationError naming the bad one."""
    serializer = body_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = serializer.validated_data
    return checked
