"""How the schema shows each operation: its tag, its name, who may, an example."""

import json
import re
from functools import cache, lru_cache
from inspect import getdoc
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import URLResolver, get_resolver, get_urlconf
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample
from rest_framework.permissions import AllowAny

# The first that fits is an operation's tag, unless its view names one.
_TAGGED = [
    (re.compile(pattern), tag)
    for pattern, tag in (
        (r"/log/|/reports/(merkle|receipts)", "Proofs"),
        (r"/reports/(checkpoints|emissions)", "Payouts"),
        (r"/reports/(feeds|backfill)|/data/", "Market data"),
        (r"/reports/predictions", "Rounds and predictions"),
        (r"/reports/(schema|models$)", "Competitions"),
        (r"/reports/", "Scores and boards"),
        (r"/livepool/", "Live pool"),
        (r"/tournament/", "Tournament"),
        (r"/api/v1/events", "Events"),
        (r"/(healthz|readyz|info|metrics|timing-metrics)$", "Site"),
    )
]
_CLAUSE = re.compile(r"[;:.,](\s|$)")
EXAMPLES = Path(__file__).with_name("openapi_examples.json")


class Generator(SchemaGenerator):
    """Makes the public schema once for the addresses of a process: it takes long."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        if public:
            addresses = get_resolver(get_urlconf())
            return _public_schema(addresses, settings.ENV.api_read_auth)
        return super().get_schema(request, public)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=2)
def _public_schema(_addresses: URLResolver, _are_reads_closed: bool) -> Any:
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


class Operation(AutoSchema):
    """An operation as the schema shows it: tagged, called by what it does, shown."""

    def get_tags(self) -> list[str]:
        path = self.path.rstrip("/")
        found = [tag for pattern, tag in _TAGGED if pattern.match(path)]
        return found[:1] or list(super().get_tags())

    def get_description(self) -> str:  # type: ignore[override]  # as its base does
        """Return what is written at the method, or for an act at it or its view."""
        if self.method == "POST" and hasattr(self.view, "act"):
            return getdoc(self.view.act) or getdoc(type(self.view)) or ""
        return str(super().get_description())

    def get_summary(self) -> str:
        """Return the description's first clause."""
        first = _CLAUSE.split(self.get_description(), maxsplit=1)[0]
        words = " ".join(first.removeprefix("Return ").split())
        return words[:1].upper() + words[1:]

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the ways to authenticate; none for what is open to all, always."""
        if any(isinstance(each, AllowAny) for each in self.view.get_permissions()):
            return []
        return list(super().get_auth())

    def get_examples(self) -> list[OpenApiExample]:
        answer = _examples().get(f"{self.method} {self.path.rstrip('/')}")
        if answer is None:
            return []
        return [
            OpenApiExample(
                "An answer", answer, response_only=True, media_type="application/json"
            )
        ]


@cache
def _examples() -> dict[str, Any]:
    """Return what a demo's addresses answered, by method and path."""
    found: dict[str, Any] = json.loads(EXAMPLES.read_text())
    return found


# Where a list's first row names what an address below it is about.
_LINKED = {
    "/reports/models": ("model_id", "/0/model_id"),
    "/reports/checkpoints": ("checkpoint_id", "/0/id"),
    "/reports/backfill/jobs": ("job_id", "/0/id"),
    "/livepool/releases": ("version", "/results/0/version"),
}


def with_links(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """For the schema: each list with links to the reads of what its rows name."""
    paths = result["paths"]
    for of, (parameter, pointer) in _LINKED.items():
        below = f"{of}/{{{parameter}}}"
        paths[of]["get"]["responses"]["200"]["links"] = {
            operations["get"]["operationId"]: {
                "operationId": operations["get"]["operationId"],
                "parameters": {parameter: f"$response.body#{pointer}"},
            }
            for path, operations in paths.items()
            if path.startswith(below) and "get" in operations and path.count("{") == 1
        }
    return result
