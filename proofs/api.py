"""Serve the log's files; whoever has one that is final may keep it for ever."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from proofs.served_files import log_file

FOR_EVER = "public, max-age=31536000, immutable"


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
