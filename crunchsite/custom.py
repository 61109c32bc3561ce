"""Mount an operator's own endpoints: files of a folder, and modules from a setting.

A file defines `router` (REST framework's) or `urlpatterns`, and may set `access`. The
endpoints answer under `/custom/`, and at their own path if the site does not use it.
See docs/integrator/custom.md.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import ResolverMatch, URLPattern, URLResolver, include, path

from core.acts import bound_to, may
from core.imports import NotImportable, import_file, import_target
from core.permissions import REALM
from core.refusals import envelope
from core.texts import describe

log = structlog.get_logger(__name__)

NAMESPACE = "custom"
# "read" is open like the reports, and closed like them with API_READ_AUTH.
READ, ADMIN = "read", "admin"
ADMIN_ACT = "competitions.change_competition"

# Exceptions that Django itself answers with 403, 404 and 400.
REFUSALS = (PermissionDenied, Http404, BadRequest, SuspiciousOperation)

Routes = list[URLPattern | URLResolver]


@dataclass
class CustomRoutes:
    """The mounted endpoints with their access, and the problems of the others."""

    routes: dict[str, Routes] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def urlpatterns(self) -> Routes:
        """Return addresses: under `/custom/` first, then each at its own path, last."""
        each = [
            path("", include((routes, name), namespace=name))
            for name, routes in self.routes.items()
        ]
        return [
            path("custom/", include((each, NAMESPACE))),
            path("", include((each, NAMESPACE), namespace=f"{NAMESPACE}-own")),
        ]


def load(
    folder: Path, targets: Iterable[str] = (), *, closed: Sequence[Path] = ()
) -> CustomRoutes:
    """Load every `.py` file of a folder, by name, and then `module:attribute` targets.

    Files that begin with an underscore are skipped, and none may be in a `closed`
    folder. A broken file is logged and named in `problems`; the others are mounted.
    """
    found = CustomRoutes()
    for file in sorted(folder.glob("[!_]*.py")):
        _add(found, str(file), file.stem, partial(_of_file, file, closed))
    for target in targets:
        module, _, name = target.partition(":")
        dotted = f"{module}:{name or 'router'}"
        _add(found, target, module, partial(_of_target, dotted))
    return found


@cache
def loaded() -> CustomRoutes:
    """Return the endpoints that the settings name, loaded once in each process."""
    return load(
        Path(settings.ENV.api_routes_dir),
        settings.ENV.own_routes,
        closed=(settings.VAR_DIR, settings.LOCAL_MODELS_DIR),
    )


def _add(
    found: CustomRoutes,
    source: str,
    name: str,
    read: Callable[[], tuple[Any, str]],
) -> None:
    try:
        offered, access = read()
        routes = _routes(offered)
        _check(access, is_new=name not in found.routes)
    except NotImportable as error:
        found.problems[source] = str(error)
        log.warning("custom.broken", source=source, error=str(error))
    else:
        found.routes[name] = routes
        found.access[name] = access


def _check(access: Any, *, is_new: bool) -> None:
    if access not in (READ, ADMIN):
        raise NotImportable(f"access was {access!r}; it is {READ!r} or {ADMIN!r}")
    if not is_new:
        raise NotImportable("another file has this name")


def _of_file(file: Path, closed: Sequence[Path]) -> tuple[Any, str]:
    module = import_file(file, closed=closed)
    return _offered(module), getattr(module, "access", ADMIN)


def _offered(module: ModuleType) -> Any:
    for name in ("router", "urlpatterns"):
        if hasattr(module, name):
            return getattr(module, name)
    raise NotImportable("it defines neither router nor urlpatterns")


def _of_target(dotted: str) -> tuple[Any, str]:
    module, _, _ = dotted.partition(":")
    offered = import_target(dotted)
    return offered, getattr(importlib.import_module(module), "access", ADMIN)


def _routes(offered: Any) -> Routes:
    try:
        routes = list(getattr(offered, "urls", offered))
    except Exception as error:
        raise NotImportable(describe(error)) from error
    kinds = URLPattern | URLResolver
    if not routes or not all(isinstance(route, kinds) for route in routes):
        raise NotImportable("it is neither a router nor a list of addresses")
    return routes


class CustomMiddleware:
    """Check access to the operator's endpoints, and answer 500 if one fails."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        name = custom_name(request.resolver_match)
        if name is None or loaded().access[name] == READ:
            return None
        if may(request.user, ADMIN_ACT) and bound_to(request.user) is None:
            return None
        if request.user.is_authenticated:
            raise PermissionDenied
        body = envelope("A key or a session is needed here.", "not_authenticated")
        return JsonResponse(body, status=401, headers={"WWW-Authenticate": REALM})

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponseBase | None:
        name = custom_name(request.resolver_match)
        if name is None or isinstance(error, REFUSALS):
            return None
        log.error("custom.failed", endpoint=name, exc_info=error)
        body = envelope(f"The endpoint {name} failed.", "custom_endpoint_failed")
        return JsonResponse(body, status=500)


def custom_name(match: ResolverMatch | None) -> str | None:
    """Return the operator's module that an address belongs to; None: the site's own."""
    names = match.namespaces if match is not None else []
    return names[1] if names and names[0].startswith(NAMESPACE) else None
