"""Answers of the API are sent compressed to who takes them so."""

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from crunchsite.edge import is_api

TEXTS = {"application/json", "application/vnd.oai.openapi", "text/csv"}


class Compression(GZipMiddleware):
    """Compress texts of the API, streams too; Parquet and downloads are already."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.get("Content-Type", "").partition(";")[0]
        if kind not in TEXTS or not is_api(request.path_info):
            return response
        return super().process_response(request, response)
