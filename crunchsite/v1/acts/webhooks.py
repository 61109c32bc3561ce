"""Acts on webhooks: kept, their secrets rotated, their deliveries sent again.

A secret is shown in the answer that makes it, and never again. Webhooks are kept by
who may act on the whole site: no key of one competition comes here.
"""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.db import transaction
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from competitions.models import Competition
from core import audit
from core.facts import FactKind
from core.paging import Keyset, PageQuery, page_response, read_int
from core.requests import read_body, read_id, read_query
from crunchsite.events import webhooks
from crunchsite.events.models import Delivery, Webhook
from crunchsite.v1.acts.act import (
    EVENTS,
    ActView,
    Reason,
    competition_of,
    posts,
    rules_of_rows,
)

DELIVERIES = Keyset("id", read_int, descending=True)
STATES = ("delivered", "given up", "failing", "waiting")


class WebhookRow(serializers.ModelSerializer[Webhook]):
    """Who is told of events; the secret is not among it."""

    competition = serializers.CharField(
        source="competition.slug", allow_null=True, default=None
    )

    class Meta:
        model = Webhook
        fields = [
            *("id", "name", "url", "kinds", "competition", "active", "created_at"),
            *("failures", "failing_since", "last_error"),
        ]


class NewWebhook(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    url = serializers.CharField(max_length=500)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(FactKind.choices),
        default=list,
        max_length=len(FactKind),
        help_text="What it is told. None: everything.",
    )
    competition = serializers.SlugField(
        required=False,
        help_text="Slug of the only one that it is told of. Without it: all that are "
        "no drafts, and the site.",
    )


class WebhookSecret(WebhookRow):
    """The webhook with its new secret, which is shown here alone."""

    secret = serializers.SerializerMethodField()

    class Meta(WebhookRow.Meta):
        fields = [*WebhookRow.Meta.fields, "secret"]

    def get_secret(self, _: Webhook) -> str:
        return str(self.context["secret"])


class DeliveryRow(serializers.ModelSerializer[Delivery]):
    """What was sent, and what came of it."""

    event = serializers.IntegerField(source="event.number")
    type = serializers.ChoiceField(FactKind.choices, source="event.kind")
    state = serializers.ChoiceField(STATES)

    class Meta:
        model = Delivery
        fields = [
            *("id", "event", "type", "state", "attempts", "attempted_at"),
            *("last_status", "last_error", "next_at", "delivered_at", "given_up_at"),
        ]


class Replayed(serializers.Serializer[Any]):
    is_replayed = serializers.BooleanField(
        help_text="False: it waits to be sent as it is."
    )


@extend_schema_view(
    get=extend_schema(
        tags=[EVENTS],
        operation_id="v1_webhooks_list",
        responses=WebhookRow(many=True),
    ),
    post=posts(
        EVENTS,
        NewWebhook,
        WebhookSecret,
        status=201,
        asked={
            "name": "payouts",
            "url": "https://bot.example.org/crunch",
            "kinds": ["checkpoint.made"],
        },
    ),
)
class Webhooks(ActView):
    """List the webhooks, or make one; its secret is shown in this answer alone."""

    read_permission = "events.view_webhook"
    write_permission = "events.add_webhook"

    def get(self, request: Request) -> Response:
        rows = _seen(request.user).select_related("competition")
        return Response(WebhookRow(rows, many=True).data)

    def act(self, request: Request) -> Response:
        """Make a webhook; its secret is shown in this answer alone."""
        asked = read_body(NewWebhook, request)
        if "competition" in asked:
            asked["competition"] = competition_of(request, asked["competition"])
        webhook = Webhook(**asked)
        secret = webhooks.give_secret(webhook)
        with rules_of_rows():
            webhook.full_clean()
        webhook.save()
        audit.note(request.user, [webhook], flag=ADDITION, what="Added.")
        return _with_secret(webhook, secret, 201)


@extend_schema_view(
    get=extend_schema(tags=[EVENTS], responses=WebhookRow),
    delete=extend_schema(tags=[EVENTS], responses={204: None}),
)
class OneWebhook(APIView):
    """Read a webhook, or delete it with its deliveries."""

    read_permission = "events.view_webhook"
    write_permission = "events.delete_webhook"

    def get(self, request: Request, webhook_id: str) -> Response:
        return Response(WebhookRow(_webhook(webhook_id, request.user)).data)

    @transaction.atomic
    def delete(self, request: Request, webhook_id: str) -> Response:
        # Locked, so that the trail tells of each deletion once.
        webhook = _webhook(webhook_id, request.user, lock=True)
        audit.note(request.user, [webhook], flag=DELETION, what="Deleted.")
        webhook.delete()
        return Response(status=204)


@extend_schema_view(
    post=posts(EVENTS, Reason, WebhookSecret, asked={"reason": "it was in a log"})
)
class RotateSecret(ActView):
    """Make a new secret; the one before signs too for 24 hours."""

    write_permission = "events.secret_webhook"

    def act(self, request: Request, webhook_id: str) -> Response:
        webhook = _webhook(webhook_id, request.user)
        reason = read_body(Reason, request)["reason"]
        secret = webhooks.rotate_secret(
            webhook_id=webhook.pk, reason=reason, user=request.user
        )
        return _with_secret(webhook, secret, 200)


class Activity(Reason):
    active = serializers.BooleanField()


@extend_schema_view(
    post=posts(
        EVENTS, Activity, WebhookRow, asked={"active": False, "reason": "it moves"}
    )
)
class Switch(ActView):
    """Let a webhook rest, or be told again."""

    write_permission = "events.change_webhook"

    def act(self, request: Request, webhook_id: str) -> Response:
        webhook = _webhook(webhook_id, request.user)
        asked = read_body(Activity, request)
        webhook.active = asked["active"]
        webhook.save(update_fields=["active"])
        what = f"{'Active' if webhook.active else 'Resting'}. Reason: {asked['reason']}"
        audit.note(request.user, [webhook], flag=CHANGE, what=what)
        return Response(WebhookRow(webhook).data)


class DeliveryQuery(PageQuery):
    state = serializers.ChoiceField(STATES, required=False)


class Deliveries(APIView):
    """What was sent to a webhook, the newest first."""

    read_permission = "events.view_delivery"

    @extend_schema(
        tags=[EVENTS],
        operation_id="v1_deliveries_list",
        parameters=[DeliveryQuery],
        responses=DeliveryRow(many=True),
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        query = read_query(DeliveryQuery, request)
        rows = _webhook(webhook_id, request.user).deliveries.select_related("event")
        if "state" in query:
            rows = rows.filter(_IN_STATE[query["state"]])
        page, following = DELIVERIES.page(
            rows, limit=query["limit"], cursor=query.get("cursor")
        )
        return page_response(request, DeliveryRow(page, many=True).data, following)


@extend_schema_view(post=posts(EVENTS, None, Replayed))
class DeliveryReplay(ActView):
    """Send a delivery that has ended once more, with the `webhook-id` that it had."""

    write_permission = "events.replay_delivery"

    def act(self, request: Request, delivery_id: str) -> Response:
        number = read_id(delivery_id)
        found = Delivery.objects.filter(pk=number, webhook__in=_seen(request.user))
        if not found.exists():
            raise NotFound(
                f"There is no delivery {delivery_id}.", code="delivery_not_found"
            )
        count = webhooks.replay(deliveries=[number], user=request.user)
        return Response({"is_replayed": bool(count)})


_ENDED = Q(next_at=None)
_IN_STATE = {
    "delivered": _ENDED & Q(delivered_at__isnull=False),
    "given up": _ENDED & Q(delivered_at=None),
    "failing": ~_ENDED & ~Q(last_error=""),
    "waiting": ~_ENDED & Q(last_error=""),
}


def _seen(user: Any) -> QuerySet[Webhook]:
    """Return the webhooks of the site, and of competitions that a user may know of."""
    seen = Competition.objects.seen_by(user).order_by()
    return Webhook.objects.filter(Q(competition=None) | Q(competition__in=seen))


def _webhook(webhook_id: str, user: Any, *, lock: bool = False) -> Webhook:
    rows = _seen(user).filter(pk=read_id(webhook_id))
    webhook = (rows.select_for_update() if lock else rows).first()
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id}.", code="webhook_not_found")
    return webhook


def _with_secret(webhook: Webhook, secret: str, status: int) -> Response:
    return Response(WebhookSecret(webhook, context={"secret": secret}).data, status)
