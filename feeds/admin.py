"""Admin pages of the feeds."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from core import audit, clock
from core.admin.strict import EdgeAdmin, has_act
from core.texts import counted
from feeds import backfill_jobs, health, ingest
from feeds.errors import (
    FeedError,
    UnknownGranularityError,
    UnknownKindError,
    UnknownSubjectError,
)
from feeds.granularity import seconds
from feeds.models import BackfillJob, FeedSubscription
from feeds.providers.sources import check_feed
from feeds.tape.records import FeedKey

LONGEST_CANDLE_S = 366 * 86_400


_FIELDS: dict[type[FeedError], str] = {
    UnknownSubjectError: "subject",
    UnknownKindError: "kind",
    UnknownGranularityError: "granularity",
}


class FeedSubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]  # a class has no index at run time
    """Refuse a feed that its source, or one of its fallbacks, cannot serve."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.errors.keys() & {*FeedKey._fields, "fallbacks"}:
            return cleaned
        values = {**vars(self.instance), **self.cleaned_data}
        key = FeedKey(*(values[name] for name in FeedKey._fields))
        place = ""
        try:
            check_feed(key)
            place = "fallbacks"
            check_feed(key, fallbacks=values["fallbacks"])
        except FeedError as error:
            field = place or _FIELDS.get(type(error), "source")
            self.add_error(field, forms.ValidationError(f"{error}.", code=error.code))
        return cleaned

    def clean_granularity(self) -> str:
        granularity: str = self.cleaned_data["granularity"]
        try:
            length_s = seconds(granularity)
        except FeedError as error:
            raise forms.ValidationError(f"{error}.", code=error.code) from None
        if length_s > LONGEST_CANDLE_S:
            raise forms.ValidationError("It is a year at most.", code="invalid")
        return granularity


@admin.register(FeedSubscription)
class FeedSubscriptionAdmin(EdgeAdmin):
    form = FeedSubscriptionForm
    json_shapes = {"fallbacks": list[str]}
    show_full_result_count = False
    list_display = ("__str__", "active", "state", "age", "lag", "missing", "trouble")
    list_filter = ("active", "source", "kind", "granularity")
    search_fields = ("source", "subject", "last_error")
    readonly_fields = (
        *("next_poll_at", "last_polled_at", "serving_source", "listened_at"),
        *("listening_lag_ms", "last_error", "last_error_at"),
        *("first_error_at", "consecutive_errors"),
        *("gaps", "created_at"),
    )
    actions = ("poll_now", "activate", "pause")
    has_poll_permission = has_act("poll")
    has_activate_permission = has_act("activate")
    has_pause_permission = has_act("pause")

    def get_readonly_fields(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: FeedSubscription | None = None
    ):
        """Keep the form from changes that the list's actions refuse."""
        may_switch = self.has_activate_permission(request) and (
            self.has_pause_permission(request)
        )
        kept = () if obj is None or may_switch else ("active",)
        return (*self.readonly_fields, *kept)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Look up the health of all rows at once."""
        changelist: ChangeList = super().get_changelist_instance(request)
        found = {row.subscription.pk: row for row in health.health(now=clock.now())}
        for subscription in changelist.result_list:
            subscription.health = found.get(subscription.pk)
        return changelist

    @admin.display(description="state")
    def state(self, subscription: Any) -> str:
        row = subscription.health
        if row is None:
            return "paused"
        if subscription.consecutive_errors:
            return f"failed {counted(subscription.consecutive_errors, 'time')}"
        if row.is_stale:
            return "stale"
        if row.closed_at is None:
            return "waiting"
        if subscription.serving_source not in ("", subscription.source):
            return f"served by {subscription.serving_source}"
        return "fresh"

    @admin.display(description="last error")
    def trouble(self, subscription: FeedSubscription) -> str:
        return Truncator(subscription.last_error).chars(90) or "-"

    @admin.display(description="age")
    def age(self, subscription: Any) -> str:
        row = subscription.health
        if row is None or row.age_s is None:
            return "-"
        if row.age_s < 60:
            return f"{row.age_s:.1f} s"
        return str(timedelta(seconds=round(row.age_s)))  # 11:56:38

    @admin.display(description="lag")
    def lag(self, subscription: Any) -> str:
        row = subscription.health
        return "-" if row is None or row.lag_s is None else f"{row.lag_s:.1f} s"

    @admin.display(description=f"missing, {health.GAP_HOURS} h")
    def missing(self, subscription: Any) -> str:
        row = subscription.health
        return "-" if row is None else str(row.missing)

    @admin.display(description=f"gaps of the last {health.GAP_HOURS} hours")
    def gaps(self, subscription: FeedSubscription) -> str:
        found = ingest.recent_gaps(subscription)
        return "\n".join(f"{start:%F %T} to {end:%F %T}" for start, end in found) or "-"

    def save_model(
        self, request: HttpRequest, obj: FeedSubscription, form: Any, change: bool
    ) -> None:
        if not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)
        # A changed setting is tried at once.
        FeedSubscription.objects.filter(pk=obj.pk).update(next_poll_at=None)

    @admin.action(description="Poll now", permissions=["poll"])
    def poll_now(
        self, request: HttpRequest, queryset: QuerySet[FeedSubscription]
    ) -> None:
        self._change(request, queryset, "poll now", next_poll_at=None)

    @admin.action(description="Activate", permissions=["activate"])
    def activate(
        self, request: HttpRequest, queryset: QuerySet[FeedSubscription]
    ) -> None:
        self._change(request, queryset, "activated", active=True, next_poll_at=None)

    @admin.action(description="Pause", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[FeedSubscription]) -> None:
        self._change(request, queryset, "paused", active=False)

    @transaction.atomic  # no change without an entry in the trail
    def _change(
        self,
        request: HttpRequest,
        queryset: QuerySet[FeedSubscription],
        what: str,
        **changes: Any,
    ) -> None:
        chosen = list(queryset)
        queryset.update(**changes)
        audit.note(request.user, chosen, flag=CHANGE, what=what)
        self.message_user(request, f"{counted(len(chosen), 'subscription')}: {what}.")


@admin.register(BackfillJob)
class BackfillJobAdmin(EdgeAdmin):
    """Show and cancel jobs; they are started by command or API."""

    show_full_result_count = False

    list_display = (
        *("__str__", "status", "sink", "progress", "records_written"),
        *("records_refused", "error", "updated_at"),
    )
    list_filter = ("status", "sink", "source")
    search_fields = ("source", "subject", "error")
    actions = ("cancel",)
    has_cancel_permission = has_act("cancel")

    @admin.display(description="progress")
    def progress(self, job: BackfillJob) -> str:
        return f"{job.progress_pct:.1f} %"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: BackfillJob | None = None
    ) -> bool:
        return False

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[BackfillJob]) -> None:
        for job in queryset:
            try:
                with transaction.atomic():
                    backfill_jobs.cancel(job_id=job.pk)
                    audit.note(request.user, [job], flag=CHANGE, what="cancelled")
            except FeedError as error:
                self.message_user(request, f"{job}: {error}", messages.WARNING)
