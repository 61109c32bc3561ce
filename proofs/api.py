"""Serve the log's files; whoever has one that is final may keep it for ever."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import (
    api_view,
    parser_classes,
    permission_classes,
)
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from proofs import witnesses
from proofs.served_files import log_file

LARGEST_BODY = 65_536


class PlainText(BaseParser):
    """Take a text in UTF-8 of limited size, whatever the client calls it."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, context: Any = None) -> Any:
        data = stream.read(LARGEST_BODY + 1)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise ParseError("The body is no text in UTF-8.") from None
        if len(data) > LARGEST_BODY:
            raise ParseError(f"The body has more than {LARGEST_BODY} bytes.")
        return text


FOR_EVER = "public, max-age=31536000, immutable"


class WitnessedRow(serializers.Serializer[Any]):
    size = serializers.IntegerField(help_text="Of the newest head that is cosigned.")
    owners = serializers.IntegerField(help_text="Owners of witnesses who cosigned it.")
    of = serializers.IntegerField(help_text="Owners of witnesses in all.")


@extend_schema(responses=WitnessedRow, request={"text/plain": str})
@api_view(["GET", "POST"])
@permission_classes([AllowAny])  # a cosignature says by itself whose it is
@parser_classes([PlainText])
def witnesses_of_log(request: Request) -> Response:
    """Return by how many owners of witnesses the log is cosigned; POST: cosign it.

    The body is the signed head with the witness's line behind it.
    """
    if request.method == "POST":
        witnesses.accept(str(request.data))
    return Response(WitnessedRow(witnesses.witnessed()).data)


@extend_schema(
    responses={(200, "application/octet-stream"): bytes, (200, "text/plain"): str}
)
@api_view(["GET"])
def log(_request: Request, path: str) -> HttpResponse:
    """Return a signed head, the log's keys, a tile of hashes or a bundle of entries."""
    file = log_file(path)
    if file is None:
        raise NotFound("The log has no such file, or not yet.")
    kind = "text/plain; charset=utf-8" if file.is_text else "application/octet-stream"
    response = HttpResponse(file.data, content_type=kind)
    if file.is_final:
        response["Cache-Control"] = FOR_EVER
    return response
