"""GET /metrics: gauges of the whole site, for monitoring."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from core.acts import SEE_ALL, bound_to, may
from crunchsite.prometheus.exposition import exposition


class MayWatch(BasePermission):
    """Allow users who may see the whole site; with METRICS_OPEN anybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method not in view.allowed_methods:
            return True  # nobody may; the framework then answers 405
        if settings.ENV.metrics_open:
            return True
        return may(request.user, SEE_ALL) and bound_to(request.user) is None


class WhateverIsAccepted(DefaultContentNegotiation):
    """Ignore the requested format: Prometheus asks for its own, there is only one."""

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: Any = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class Metrics(APIView):
    permission_classes = [MayWatch]
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        operation_id="metrics", responses={(200, CONTENT_TYPE_PLAIN_0_0_4): str}
    )
    def get(self, _request: Request) -> HttpResponse:
        """Gauges of the whole site in Prometheus' text format, a few seconds old."""
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
