"""Admin pages of events, webhooks and deliveries."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from competitions.admin.drafts import LedgerAdmin, SiteAdmin
from competitions.models import Competition
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm
from core.admin.strict import has_act
from core.facts import FactKind
from crunchsite.events import webhooks
from crunchsite.events.models import Delivery, Event, Webhook

LABELS = {
    "delivered": "success",
    "failing": "warning",
    "given up": "danger",
    "waiting": "info",
}


class OfCompetitionOrSite(SiteAdmin):
    """Show rows of the site, and of competitions that the user may see."""

    of_competition = ""
    led_by = ""  # the lookup that leads to the competition

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen = Competition.objects.seen_by(request.user).order_by().values("pk")
        of = f"{self.led_by}competition"
        rows = super().get_queryset(request)
        return rows.filter(Q(**{of: None}) | Q(**{f"{of}__in": seen}))


@admin.register(Event)
class EventAdmin(OfCompetitionOrSite, LedgerAdmin):
    list_display = ["number", "kind", "competition", "at"]
    list_filter = ["kind", "competition"]
    list_select_related = ["competition"]
    ordering = ["-pk"]
    fields = ["number", "kind", "competition", "at", "payload"]


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # a class has no index at run time
    kinds = forms.MultipleChoiceField(
        choices=FactKind.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: everything.",
    )

    class Meta:
        model = Webhook
        fields = ["name", "url", "kinds", "competition", "active"]


@admin.register(Webhook)
class WebhookAdmin(OfCompetitionOrSite):
    """Receivers of events. The secret is shown when it is made, and on request."""

    form = WebhookForm
    list_display = ["name", "competition", "active", "standing", "waiting"]
    list_filter = ["active", "competition"]
    list_select_related = ["competition"]
    search_fields = ["name", "url"]
    readonly_fields = ["standing", "created_at"]
    fields = [*WebhookForm.Meta.fields, *readonly_fields]
    actions_detail = ["show_secret", "rotate_secret"]
    has_secret_permission = has_act("secret")

    @display(description="Standing")
    def standing(self, webhook: Webhook) -> str:
        if webhook.failing_since is None:
            return "well"
        return (
            f"failing since {webhook.failing_since:%Y-%m-%d %H:%M} UTC: "
            f"{webhook.last_error}"
        )

    @display(description="Waiting")
    def waiting(self, webhook: Webhook) -> SafeString:
        url = reverse("admin:events_delivery_changelist")
        return format_html(
            '<a href="{}?webhook__id__exact={}">Deliveries</a>', url, webhook.pk
        )

    def save_model(
        self, request: HttpRequest, obj: Webhook, form: Any, change: bool
    ) -> None:
        if not change:
            obj.new_secret = webhooks.give_secret(obj)  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret in this answer only; a redirect could not carry it."""
        return self._shown_once(request, obj, obj.new_secret)

    @action(description="Show secret", permissions=["secret"], icon="key")
    def show_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:webhook-secret", object_id, "show")

    @action(description="Rotate secret", permissions=["secret"], icon="autorenew")
    def rotate_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:webhook-secret", object_id, "rotate")

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/secret/<str:verb>",
                self.admin_site.admin_view(self.secret_view),
                name="webhook-secret",
            ),
            *super().get_urls(),
        ]

    def secret_view(
        self, request: HttpRequest, object_id: str, verb: str
    ) -> HttpResponse:
        """Ask for a reason; then show the present secret, or a new one."""
        webhook = self.get_object(request, object_id)
        if webhook is None or verb not in SECRET_ACTS:
            raise Http404("There is no such webhook or act.")
        if not self.has_secret_permission(request):
            raise PermissionDenied
        heading, effect, act = SECRET_ACTS[verb]
        secrets: list[str] = []

        def run(asked: dict[str, Any]) -> str:
            secrets.append(act(webhook_id=webhook.pk, user=request.user, **asked))
            return f"{heading}: done."

        back = reverse("admin:events_webhook_change", args=[webhook.pk])
        form = ReasonForm(request.POST or None)
        page = ActionPage(heading, str(webhook), effect, form, back, back)
        answer = page.respond(request, page=self, run=run)
        return self._shown_once(request, webhook, secrets[0]) if secrets else answer

    def _shown_once(
        self, request: HttpRequest, webhook: Webhook, secret: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"The secret of {webhook}",
            "secret": secret,
            "back": reverse("admin:events_webhook_changelist"),
        }
        return TemplateResponse(request, "operator/secret_told.html", context)


SECRET_ACTS: dict[str, tuple[str, list[str], Any]] = {
    "show": (
        "Show secret",
        ["The secret is shown to you; the trail says that it was, and why."],
        webhooks.show_secret,
    ),
    "rotate": (
        "Rotate secret",
        [
            "A new secret is made and shown to you: give it to the receiver.",
            "For 24 hours messages are signed with both, so that none is refused.",
            "Rotate once more to end the old one at once.",
        ],
        webhooks.rotate_secret,
    ),
}


@admin.register(Delivery)
class DeliveryAdmin(OfCompetitionOrSite, LedgerAdmin):
    """List the deliveries with the receivers' answers."""

    led_by = "event__"
    list_display = [
        *("event", "webhook", "labelled_state", "attempts", "last_status"),
        *("last_error", "next_at", "delivered_at"),
    ]
    list_filter = ["event__kind", "last_status"]
    list_select_related = ["event", "webhook"]
    actions = ["replay"]  # type: ignore[assignment]
    fields = [
        *("event", "webhook", "labelled_state", "attempts", "attempted_at"),
        *("last_status", "last_error", "next_at", "give_up_at"),
        *("delivered_at", "given_up_at"),
    ]
    has_replay_permission = has_act("replay")

    @display(description="State", label=LABELS)
    def labelled_state(self, delivery: Delivery) -> str:
        return delivery.state

    @admin.action(description="Replay: send again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        chosen = list(queryset.values_list("pk", flat=True))
        count = webhooks.replay(deliveries=chosen, user=request.user)
        messages.success(request, f"Sent again: {count} of {len(chosen)} deliveries.")
