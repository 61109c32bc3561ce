"""Admin pages of API keys: made and shown once, listed, revoked; never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from competitions.admin.drafts import SiteAdmin
from competitions.models import Competition, Cruncher
from core import clock
from core.admin.strict import has_act
from core.texts import counted
from crunchsite.keys.issuing import create_key, revoke_key
from crunchsite.keys.key_scopes import ACTS_OF_CRUNCHER, KeyScope, acts_of
from crunchsite.keys.models import ApiKey


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # a class has no index at run time
    """A new key; nobody can give one a permission that they lack."""

    user: Any = None

    scopes = forms.MultipleChoiceField(
        choices=KeyScope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "competition", "cruncher", "expires_at"]

    def clean_scopes(self) -> list[str]:
        scopes: list[str] = self.cleaned_data["scopes"]
        own = ACTS_OF_CRUNCHER if KeyScope.MODELS in scopes else frozenset()
        beyond = (acts_of(scopes) | own) - self.user.get_all_permissions()
        if beyond and not self.user.is_superuser:
            raise forms.ValidationError(
                f"You cannot give permissions that you lack:"
                f" {', '.join(sorted(beyond)[:3])}."
            )
        return scopes


class CruncherChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # a class has no index at run time
    def label_from_instance(self, cruncher: Cruncher) -> str:
        return f"{cruncher.competition.slug}: {cruncher.name}"


@admin.register(ApiKey)
class ApiKeyAdmin(SiteAdmin):
    """Keys of programs. If a key leaked, select it and revoke it."""

    of_competition = ""  # not every key has a competition; see get_queryset
    form = KeyForm
    list_display = [
        *("name", "shown", "state", "scopes_told", "reach"),
        *("last_used_at", "expires_at", "created_at"),
    ]
    list_select_related = ["competition", "cruncher__competition"]
    list_filter = ["competition"]
    search_fields = ["name", "prefix"]
    actions = ["revoke"]
    has_revoke_permission = has_act("revoke")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        seen = Competition.objects.seen_by(request.user)
        rows = super().get_queryset(request)
        return rows.filter(Q(competition=None) | Q(competition__in=seen))

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        return key.state_at(clock.now())

    @admin.display(description="scopes")
    def scopes_told(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the fields of an existing key that may be shown."""
        if obj is None:
            return KeyForm.Meta.fields
        told = ["name", "shown", "state", "scopes_told", "reach"]
        return [*told, "created_at", "expires_at", "revoked_at", "last_used_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else self.get_fields(request, obj)

    def get_form(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: ApiKey | None = None, **kwargs: Any
    ):
        form = super().get_form(request, obj, **kwargs)
        form.user = request.user
        return form

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.related_model is Cruncher:
            kwargs["form_class"] = CruncherChoice
            kwargs["queryset"] = Cruncher.objects.filter(
                competition__in=Competition.objects.seen_by(request.user)
            ).select_related("competition")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: bool
    ) -> None:
        asked = {**form.cleaned_data, "competition": obj.competition}
        made, obj.token = create_key(user=request.user, **asked)  # type: ignore[attr-defined]
        obj.pk, obj.prefix = made.pk, made.prefix

    def log_addition(self, request: HttpRequest, obj: ApiKey, message: Any) -> Any:
        """Write no entry: `create_key` has written it."""

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key, once, in this answer only; a redirect could not carry it."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key of {obj.name}",
            "key": obj,
            "back": reverse("admin:keys_apikey_changelist"),
        }
        return TemplateResponse(request, "operator/key_made.html", context)

    @admin.action(description="Revoke, at once and for good", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = sum(revoke_key(key_id=k.pk, user=request.user) for k in queryset)
        self.message_user(request, f"{counted(revoked, 'key')} revoked.")
