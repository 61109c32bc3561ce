"""Every address of the site. API paths work with and without a trailing slash."""

from csp.constants import NONCE, SELF
from csp.decorators import csp_replace
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularJSONAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)

from crunchsite import custom, readiness
from crunchsite.prometheus.api import Metrics

# Its styles are made by its script, so they carry the nonce of the page.
redoc = csp_replace({"style-src": [SELF, NONCE]})(
    SpectacularRedocView.as_view(url_name="openapi-json")
)

api: list[URLPattern | URLResolver] = [
    re_path(r"^healthz/?$", readiness.healthz, name="healthz"),
    re_path(r"^readyz/?$", readiness.readyz, name="readyz"),
    re_path(r"^info/?$", readiness.info, name="info"),
    re_path(r"^metrics/?$", Metrics.as_view(), name="metrics"),
    path("", include("feeds.urls")),
    path("", include("proofs.urls")),
    path("", include("competitions.urls")),
    path("", include("scoring.urls")),
    path("", include("emissions.urls")),
    path("", include("livepool.urls")),
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^openapi\.json$", SpectacularJSONAPIView.as_view(), name="openapi-json"),
    re_path(
        r"^docs/?$",
        SpectacularSwaggerSplitView.as_view(metadata_class=None),
        name="docs",
    ),
    re_path(r"^redoc/?$", redoc, name="redoc"),
]

# The API's first version of its own: these have no other address.
v1: list[URLPattern | URLResolver] = [
    path("", include("crunchsite.events.urls")),
    path("", include("crunchsite.v1.urls")),
]

urlpatterns = [
    path("", include("crunchsite.site.urls")),
    path("", include(api)),
    path("api/v1/", include((v1, "v1"))),
    path("api/", include((api, "api"))),
    re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    *custom.loaded().urlpatterns(),
]
