"""Which format a list is answered in: `format=` first, else the `Accept` header."""

from collections.abc import Sequence
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from core.rendering import FastJson
from crunchsite.v1.files import CSV, PARQUET, FileFormat


class FileRenderer(BaseRenderer):
    """Names a format for the negotiation; the file is sent by its own response."""

    file: FileFormat

    def render(self, *_: Any, **__: Any) -> bytes:
        raise NotImplementedError("refusals are JSON; see ListView.finalize_response")


class CsvRenderer(FileRenderer):
    media_type = "text/csv"
    format = CSV.name
    file = CSV


class ParquetRenderer(FileRenderer):
    media_type = PARQUET.media_type
    format = PARQUET.name
    file = PARQUET


FORMATS = (FastJson, CsvRenderer, ParquetRenderer)


class Negotiation(DefaultContentNegotiation):
    """Let `format=` decide before the header does."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],  # type: ignore[override]
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        asked = request.query_params.get("format")
        if asked is None:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(
                request, renderers, format_suffix
            )
            return chosen
        for renderer in renderers:
            if renderer.format == asked:
                return renderer, renderer.media_type
        names = " or ".join(renderer.format for renderer in renderers)
        raise ValidationError(
            {"format": f"was {asked!r}; this list is given as {names}."},
            code="invalid_choice",
        )
