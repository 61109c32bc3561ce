"""Admin pages of the live pool: what changed, whether it is in time, rollback."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin.action_page import ActionPage
from core.admin.lists import BoundedAdmin, ReadOnlyMixin
from core.admin.strict import has_act
from core.texts import counted
from livepool import pool_change
from livepool.errors import LivePoolError
from livepool.model.universe import base_asset
from livepool.models import Release, ShadowTrack
from livepool.release import rollback


def _coins(symbols: Sequence[str]) -> str:
    return " ".join(base_asset(s) for s in symbols) or "-"


class RollbackForm(forms.Form):
    """Ask for the reason, which is stored with the release and in the trail."""

    reason = forms.CharField(
        max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )
    allow_stale = forms.BooleanField(
        required=False, label="Even if it is older than the limit"
    )


@admin.register(Release)
class ReleaseAdmin(ReadOnlyMixin, BoundedAdmin):
    list_display = (
        *("as_of_date", "mode", "state", "pool", "entered", "left", "regime"),
        *("activated_at", "revision", "reason", "error"),
    )
    list_filter = ("status", "mode")
    search_fields = ("version", "reason", "error")
    actions_detail = ["roll_back"]
    has_roll_back_permission = has_act("roll_back")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look up the release published before each row, in one statement."""
        changelist = super().get_changelist_instance(request)
        published = list(
            Release.objects.exclude(published_at=None)
            .order_by("-as_of_date", "-pk")
            .values_list("mode", "as_of_date", "symbols")
        )
        for release in changelist.result_list:
            release.before = next(
                (
                    symbols
                    for mode, as_of, symbols in published
                    if mode == release.mode and as_of < release.as_of_date
                ),
                None,
            )
        return changelist

    @display(
        description="Status",
        ordering="status",
        label={
            "PUBLISHED": "success",
            "FAILED": "danger",
            "WITHDRAWN": "warning",
            "PENDING": "info",
        },
    )
    def state(self, release: Release) -> str:
        return release.status

    @display(description="Pool, in order")
    def pool(self, release: Release) -> str:
        return _coins(release.symbols)

    @display(description="In")
    def entered(self, release: Any) -> str:
        return _coins(pool_change.entered(release.symbols, release.before))

    @display(description="Out")
    def left(self, release: Any) -> str:
        return _coins(pool_change.left(release.symbols, release.before))

    @action(
        description="Roll back to this version",
        permissions=["roll_back"],
        icon="undo",
        url_path="roll-back",
    )
    def roll_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:livepool-rollback", object_id)

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/rollback",
            self.admin_site.admin_view(self.rollback_view),
            name="livepool-rollback",
        )
        return [page, *super().get_urls()]

    def rollback_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Verify and preview a rollback; do it only when posted with a reason."""
        release = self.get_object(request, object_id)
        if release is None:
            raise Http404("There is no such release.")
        if not self.has_roll_back_permission(request):
            raise PermissionDenied

        def run(given: dict[str, Any]) -> str:
            done = rollback.roll_back_as(request.user, version=release.version, **given)
            return rollback.in_words(done, given["reason"])

        effect, refusal = _effect(release)
        return ActionPage(
            heading="Roll back",
            subject=release.version,
            effect=effect,
            refusal=refusal,
            form=RollbackForm(request.POST or None),
            back=reverse("admin:livepool_release_changelist"),
            done="admin:livepool_release_changelist",
        ).respond(request, page=self, run=run)


def _effect(release: Release) -> tuple[list[str], str]:
    """Describe what a rollback to the release would do, or why it cannot be done."""
    try:
        planned = rollback.preview(version=release.version, allow_stale=True)
    except LivePoolError as error:
        return [], str(error)
    return [
        (
            f"Consumers go from {planned.previous_version or 'nothing'} to "
            f"{planned.version}, which is {counted(planned.age_days, 'day')} old."
        ),
        f"The pool becomes: {_coins(release.symbols)}.",
        f"In: {_coins(planned.entered)}. Out: {_coins(planned.left)}.",
        (
            "Its five files were read from the store and verified. Newer versions are "
            "withdrawn; the schedule does not bring them back."
        ),
    ], ""


@admin.register(ShadowTrack)
class ShadowTrackAdmin(ReadOnlyMixin, BoundedAdmin):
    list_display = (
        *("track_id", "mode", "profile", "candidate_status", "release_count"),
        *("first_as_of_date", "last_as_of_date", "mean_churn", "built_at"),
    )
