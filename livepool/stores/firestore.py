"""Store the summary document in Google Firestore, replaced with a precondition."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    GoogleAPICallError,
    NotFound,
    RetryError,
)
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from livepool.stores import ConflictError, Document, StoreError


class FirestoreDocumentStore:
    """One document; a write names the update time of the version it replaces."""

    def __init__(
        self, *, project: str, collection: str, document: str, timeout_s: float = 30.0
    ) -> None:
        self._project = project
        self._address = collection, document
        # The client's own retries would wait minutes for an unreachable server.
        self._call: dict[str, Any] = {"timeout": timeout_s, "retry": None}

    @cached_property
    def _client(self) -> Any:
        try:
            return firestore.Client(project=self._project)
        except DefaultCredentialsError as error:
            raise StoreError(f"Google Cloud has no credentials: {error}") from None

    @property
    def _document(self) -> Any:
        collection, document = self._address
        return self._client.collection(collection).document(document)

    def address(self) -> tuple[str, str]:
        return self._address

    def read(self) -> Document | None:
        with self._translated("reading"):
            snapshot = self._document.get(**self._call)
        if not snapshot.exists:
            return None
        return Document(snapshot.to_dict(), snapshot.update_time.rfc3339())

    def write(self, payload: Mapping[str, Any], *, expected: Document | None) -> None:
        with self._translated("writing"):
            if expected is None:
                self._document.create(dict(payload), **self._call)
                return
            gone = expected.payload.keys() - payload.keys()
            fields = {**payload, **dict.fromkeys(gone, firestore.DELETE_FIELD)}
            option = self._client.write_option(
                last_update_time=_timestamp(expected.token)
            )
            self._document.update(fields, option=option, **self._call)

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        name = "/".join(self._address)
        try:
            yield
        except (AlreadyExists, FailedPrecondition, NotFound) as error:
            raise ConflictError(f"{name} has changed since it was read") from error
        except (GoogleAPICallError, RetryError, ValueError) as error:
            raise StoreError(f"{action} {name} failed: {error}") from error


def _timestamp(text: str) -> Any:
    from google.api_core.datetime_helpers import DatetimeWithNanoseconds

    at = DatetimeWithNanoseconds.from_rfc3339(text)  # type: ignore[no-untyped-call]
    return at.timestamp_pb()
