"""Let programs download the Parquet files of past market data."""

import io
import re
from pathlib import Path
from typing import Any, BinaryIO

from django.http import FileResponse, HttpResponse
from django.utils.http import http_date, quote_etag
from django.views.decorators.http import condition
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.requests import DayField, IdField, read_query
from feeds.models import BackfillJob
from feeds.tape.records import FeedKey

sends_a_file = extend_schema(
    responses={
        (200, "application/octet-stream"): bytes,
        (206, "application/octet-stream"): bytes,
    }
)


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    records = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    date = serializers.DateField()


class DataIndex(APIView):
    """List the Parquet files that can be downloaded."""

    queryset = BackfillJob.objects.all()

    @extend_schema(responses=FileSerializer(many=True))
    def get(self, request: Request) -> Response:
        from feeds.tape import parquet

        return Response(FileSerializer(parquet.index(), many=True).data)


class DataFile(APIView):
    """Return one Parquet file; supports If-None-Match and one byte range."""

    queryset = BackfillJob.objects.all()

    @sends_a_file
    def get(self, request: Request, **parts: str) -> HttpResponse | FileResponse:
        from feeds.tape import parquet

        path = parquet.locate(tuple(parts.values()))
        if path is None:
            raise NotFound(
                "There is no such file; /data/backfill/index lists the files."
            )
        return send_file(request, path)


class DaysQuery(serializers.Serializer[Any]):
    """Choose a feed, and days of it; both ends are inclusive."""

    source = IdField()  # type: ignore[assignment]  # DRF takes it off the class
    subject = IdField()
    kind = IdField(default="candle")
    granularity = IdField(default="1m")
    since = DayField(help_text="The first day, of UTC.")
    until = DayField(help_text="The last day.")


class DayFileSerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    records = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    url = serializers.CharField(help_text="Where it is, on this site.")


class DayIndex(APIView):
    """List whole days of a feed, with the digests of their files; 62 at most."""

    queryset = BackfillJob.objects.all()

    @extend_schema(parameters=[DaysQuery], responses=DayFileSerializer(many=True))
    def get(self, request: Request) -> Response:
        from feeds.tape.day_files import days

        query = read_query(DaysQuery, request)
        key = FeedKey(*(query[name] for name in FeedKey._fields))
        rows = [
            {**vars(day), "url": "/".join(("/data/days", *key, day.path.name))}
            for day in days(key, first=query["since"], last=query["until"])
        ]
        return Response(DayFileSerializer(rows, many=True).data)


class DayDownload(APIView):
    """Return a day that was listed; supports If-None-Match and one byte range."""

    queryset = BackfillJob.objects.all()

    @sends_a_file
    def get(self, request: Request, **parts: str) -> HttpResponse | FileResponse:
        from feeds.tape.day_files import find_day

        path = find_day(tuple(parts.values()))
        if path is None:
            raise NotFound("There is no such day; /data/days/index lists the days.")
        return send_file(request, path)


def send_file(request: Request, path: Path) -> HttpResponse | FileResponse:
    """Send the file, or the part that the request still needs (RFC 9110, 13 and 14)."""
    stat = path.stat()
    etag = quote_etag(f"{stat.st_mtime_ns:x}-{stat.st_size:x}")
    modified = http_date(stat.st_mtime)

    @condition(etag_func=lambda _: etag)
    def answer(request: Request) -> HttpResponse | FileResponse:
        wanted = request.headers.get("Range")
        if wanted and request.headers.get("If-Range", etag) not in (etag, modified):
            wanted = None  # the client has a part of another version
        span = _byte_range(wanted, stat.st_size) if wanted else None
        if span == ():
            return HttpResponse(
                status=416, headers={"Content-Range": f"bytes */{stat.st_size}"}
            )
        file = path.open("rb")
        if span:
            first, last = span
            response = FileResponse(_Part(file, first, last + 1), status=206)
            response["Content-Length"] = str(last - first + 1)
            response["Content-Range"] = f"bytes {first}-{last}/{stat.st_size}"
        else:
            response = FileResponse(file)
        response["Content-Type"] = "application/octet-stream"
        response["Content-Disposition"] = f'attachment; filename="{path.name}"'
        response["Accept-Ranges"] = "bytes"
        response["Last-Modified"] = modified
        return response

    return answer(request)


class _Part(io.RawIOBase):
    """The bytes of a file from `start` up to `end`, as a file object.

    It can seek, so the server sends it without a thread that waits for a slow client.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = (self._start, self._file.tell(), self._end)
        self._file.seek(bases[whence] + offset)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def close(self) -> None:
        self._file.close()
        super().close()


def _byte_range(text: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """Return first and last byte; () for an impossible range, None for another form."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", text.strip())
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(start), min(int(end or size), size - 1)
    return (first, last) if first <= last else ()
