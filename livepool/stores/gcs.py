"""Store releases in a bucket of Google Cloud Storage.

Every write names the generation that it replaces (0: none), so two publishers cannot
interleave; everything written is read back. The manifest is written last: it covers the
others, so a reader who checks it never accepts a mixed set.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.api_core.exceptions import RetryError as ApiRetryError
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY

from livepool.artifacts import FILES, MANIFEST, SIGNATURE
from livepool.stores import ROOT_PREFIX, ConflictError, StoreError
from livepool.stores.local import digest

_NAMES = (*(name for name in FILES.values() if name != MANIFEST), SIGNATURE, MANIFEST)


class GcsReleaseStore:
    """`gs://<bucket>/<prefix>/{releases,archive,current}/...`."""

    def __init__(
        self,
        *,
        project: str,
        bucket: str,
        prefix: str = ROOT_PREFIX,
        timeout_s: float = 30.0,
        retry_s: float = 60.0,
    ) -> None:
        self.project = project
        self.name = bucket
        self.prefix = prefix
        # Repeating a call is safe: every write carries a precondition.
        self._call = {
            "timeout": timeout_s,
            "retry": DEFAULT_RETRY.with_timeout(retry_s),
        }

    @cached_property
    def bucket(self) -> Any:
        try:
            return Client(project=self.project).bucket(self.name)
        except DefaultCredentialsError as error:
            raise StoreError(f"Google Cloud has no credentials: {error}") from None

    def uri(self, path: str = "") -> str:
        return f"gs://{self.name}/{self.prefix}/{path}".rstrip("/")

    def read_release(self, version: str) -> dict[str, bytes]:
        return {n: data for n, (data, _) in self._read(f"releases/{version}").items()}

    def create_release(self, version: str, files: Mapping[str, bytes]) -> None:
        folder = f"releases/{version}"
        there = self._read(folder)
        other = [n for n, (data, _) in there.items() if files.get(n) != data]
        if other:
            raise ConflictError(
                f"{version} is there with other bytes: {', '.join(other)}"
            )
        for name in _NAMES:
            if name in files and name not in there:
                self._write(f"{folder}/{name}", files[name], 0)
        self._verify(folder, files)

    def replace_release(self, version: str, files: Mapping[str, bytes]) -> str:
        folder = f"releases/{version}"
        there = self._read(folder)
        old = {name: data for name, (data, _) in there.items()}
        archive = f"archive/{version}/{digest(old)}"
        kept = self._read(archive)
        for name, data in old.items():
            if name not in kept:
                self._write(f"{archive}/{name}", data, 0)
        self._verify(archive, old)
        self._put(folder, files, there)
        self._verify(folder, files)
        return self.uri(archive)

    def point_current(self, version: str, files: Mapping[str, bytes]) -> None:
        before = self._read("current")
        try:
            self._put("current", files, before)
            self._verify("current", files)
        except StoreError:
            self._restore(before)
            raise

    def read_file(self, path: str) -> bytes | None:
        """Return a file that belongs to no release, or None when there is none."""
        found = self._read_one(path)
        return None if found is None else found[0]

    def create_file(self, path: str, data: bytes) -> None:
        """Create such a file; raises ConflictError if it is there with other bytes."""
        self._write(path, data, 0)

    def replace_file(self, path: str, data: bytes) -> None:
        """Create such a file, or replace it."""
        found = self._read_one(path)
        if found is None or found[0] != data:
            self._write(path, data, found[1] if found else 0)

    def _put(
        self,
        folder: str,
        files: Mapping[str, bytes],
        there: Mapping[str, tuple[bytes, int]],
    ) -> None:
        for name in _NAMES:
            data, generation = there.get(name, (None, 0))
            if name in files and files[name] != data:
                self._write(f"{folder}/{name}", files[name], generation)
            elif name not in files and generation:
                self._delete(f"{folder}/{name}", generation)

    def _restore(self, before: Mapping[str, tuple[bytes, int]]) -> None:
        """Restore the previous current files, as far as the bucket allows."""
        try:
            now = self._read("current")
            self._put("current", {n: data for n, (data, _) in before.items()}, now)
        except StoreError:
            # The next run completes it; until then the manifest does not match for
            # readers.
            return

    def _read(self, folder: str) -> dict[str, tuple[bytes, int]]:
        found = {}
        for name in _NAMES:
            if (file := self._read_one(f"{folder}/{name}")) is not None:
                found[name] = file
        return found

    def _read_one(self, path: str) -> tuple[bytes, int] | None:
        blob = self.bucket.blob(f"{self.prefix}/{path}")
        with _translated(f"reading {blob.name}"):
            try:
                data = blob.download_as_bytes(**self._call)
            except NotFound:
                return None
        return data, int(blob.generation)

    def _write(self, path: str, data: bytes, generation: int) -> None:
        blob = self.bucket.blob(f"{self.prefix}/{path}")
        # By default, caches may serve objects of a public bucket for an hour.
        blob.cache_control = "no-cache"
        with _translated(f"writing {blob.name}"):
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/octet-stream",
                    if_generation_match=generation,
                    checksum="crc32c",
                    **self._call,
                )
            except PreconditionFailed:
                # A repeated request whose first answer was lost finds its own bytes.
                if blob.download_as_bytes(**self._call) != data:
                    raise ConflictError(
                        f"{blob.name} was written by somebody else"
                    ) from None

    def _delete(self, path: str, generation: int) -> None:
        blob = self.bucket.blob(f"{self.prefix}/{path}")
        with _translated(f"deleting {blob.name}"):
            try:
                blob.delete(if_generation_match=generation, **self._call)
            except NotFound:
                return

    def _verify(self, folder: str, files: Mapping[str, bytes]) -> None:
        found = {name: data for name, (data, _) in self._read(folder).items()}
        wrong = [n for n in {*found, *files} if found.get(n) != files.get(n)]
        if wrong:
            raise StoreError(
                f"{folder} does not hold what was written: {', '.join(sorted(wrong))}"
            )


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except PreconditionFailed as error:
        raise ConflictError(f"{action}: {error.message}") from error
    except (GoogleAPICallError, ApiRetryError, requests.RequestException) as error:
        raise StoreError(f"{action} failed: {error}") from error
