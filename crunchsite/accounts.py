"""Admin pages of accounts and roles, and of the trail of what each account did."""

from typing import Any

from axes.admin import AccessAttemptAdmin, AccessFailureLogAdmin, AccessLogAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from competitions.admin.drafts import LedgerAdmin, SiteAdmin
from core.acts import OF_COMPETITIONS, SEE_ALL, may


@admin.register(LogEntry)
class TrailAdmin(LedgerAdmin):
    """Show who did what, and why, to users who may view the object of the entry."""

    of_competition = ""
    list_display = ["action_time", "user", "object_repr", "content_type", "what"]
    list_filter = ["user", "content_type"]
    list_select_related = ["user", "content_type"]
    search_fields = ["object_repr", "change_message"]
    ordering = ["-action_time", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        kinds = [
            kind
            for kind in ContentType.objects.all()
            if may(request.user, f"{kind.app_label}.view_{kind.model}")
            and (kind.app_label not in OF_COMPETITIONS or may(request.user, SEE_ALL))
        ]
        return rows.filter(content_type__in=kinds)

    @display(description="Change and reason")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message()


class NoMoreThanOwn:
    """Refuse to grant permissions, or to edit accounts, beyond the user's own."""

    def formfield_for_manytomany(
        self, db_field: Any, request: Any = None, **kwargs: Any
    ) -> Any:
        if not request.user.is_superuser:
            if db_field.related_model is Permission:
                kwargs["queryset"] = _own(request.user)
            elif db_field.related_model is Group:
                kwargs["queryset"] = _groups_within(_own(request.user))
        up: Any = super()
        return up.formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        up: Any = super()
        return up.has_change_permission(request, obj) and _is_within(obj, request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        up: Any = super()
        return up.has_delete_permission(request, obj) and _is_within(obj, request.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Apply the rule to the list's delete action too, which passes no object."""
        up: Any = super()
        found = up.get_deleted_objects(objs, request)
        beyond = {str(obj) for obj in objs if not _is_within(obj, request.user)}
        return (*found[:2], found[2] | beyond, *found[3:])


def _own(user: Any) -> QuerySet[Permission]:
    """Return the permissions that a user holds, directly or by a role."""
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def _groups_within(own: QuerySet[Permission]) -> QuerySet[Group]:
    lacking = Permission.objects.filter(group=OuterRef("pk")).exclude(
        pk__in=own.values("pk")
    )
    return Group.objects.filter(~Exists(lacking))


def _is_within(obj: User | Group | None, user: Any) -> bool:
    """Return whether the user has all permissions of the account or the role."""
    if obj is None or user.is_superuser:
        return True
    if isinstance(obj, Group):
        return _groups_within(_own(user)).filter(pk=obj.pk).exists()
    # Not as the account has them now: one that is switched off can be switched on.
    beyond = _own(obj).exclude(pk__in=_own(user).values("pk"))
    return not obj.is_superuser and not beyond.exists()


admin.site.unregister([User, Group, AccessAttempt, AccessLog, AccessFailureLog])


@admin.register(User)
class OperatorAdmin(NoMoreThanOwn, UserAdmin, SiteAdmin):  # type: ignore[type-arg]  # a class has no index at run time
    of_competition = ""
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_readonly_fields(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: User | None = None
    ):
        beyond = () if request.user.is_superuser else ("is_superuser",)
        return (*super().get_readonly_fields(request, obj), *beyond)


@admin.register(Group)
class OperatorGroupAdmin(NoMoreThanOwn, GroupAdmin, SiteAdmin):
    of_competition = ""


@admin.register(AccessAttempt)
class RefusedLoginAdmin(AccessAttemptAdmin, SiteAdmin):
    """List locked-out logins; deleting a row unlocks one."""

    of_competition = ""
    actions = ()  # the package's own handler fails on a request that is not a login


@admin.register(AccessLog)
class LoginAdmin(AccessLogAdmin, SiteAdmin):
    of_competition = ""


@admin.register(AccessFailureLog)
class FailedLoginAdmin(AccessFailureLogAdmin, SiteAdmin):
    of_competition = ""
