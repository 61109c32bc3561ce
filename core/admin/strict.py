"""Base classes of the admin, whose forms and actions refuse invalid values in words."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from pydantic import TypeAdapter
from pydantic import ValidationError as Misfit
from unfold.admin import ModelAdmin

from core.acts import may
from core.parsing import JsonError, parse_json
from core.texts import one_line, storable_json


class StrictJsonField(forms.JSONField):
    """Accept JSON that a column can hold: finite, no NUL, of bounded size and depth.

    With a `shape`, which an admin class sets, accept only JSON of that shape.
    """

    shape: TypeAdapter[Any] | None = None

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:
            try:
                _parse(value)
            except JsonError as error:
                raise ValidationError(f"This {error}.", code="invalid") from None
        return super().to_python(value)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if self.shape is None or value is None:
            return
        try:
            self.shape.validate_python(value, strict=True)
        except Misfit as error:
            raise ValidationError(_in_words(error), code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        if isinstance(data, str) and not self.disabled:
            try:
                _parse(data)
            except JsonError:
                return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _parse(text: str) -> None:
    value = parse_json(text)
    if storable_json(value) != value:
        raise JsonError("contains a NUL or half a character, which no column can hold")


def _in_words(misfit: Misfit) -> list[str]:
    """Return the first problem as a sentence: what it is, and where."""
    problems = misfit.errors(include_url=False, include_context=False)
    return [
        f"{one_line(place, limit=120)}: {problem['msg']}." if place else problem["msg"]
        for problem in problems[:5]
        for place in [".".join(map(str, problem["loc"]))]
    ]


class JsonShapes:
    """Check the JSON fields in the forms of an admin class or an inline.

    `json_shapes` names the pydantic type of each one that can be edited.
    """

    formfield_overrides: Any = {models.JSONField: {"form_class": StrictJsonField}}
    json_shapes: Mapping[str, Any] = {}

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(field, StrictJsonField):
            shape = self.json_shapes.get(db_field.name)
            field.shape = shape and TypeAdapter(shape)
        return field


def has_act(verb: str) -> Callable[..., bool]:
    """Make an admin class's `has_<verb>_permission` from the act on its model.

    An action names it: `permissions=["poll"]` is `feeds.poll_feedsubscription`.
    """

    def has_permission(
        self: Any,
        request: HttpRequest,
        object_id: Any = None,  # noqa: ARG001  unfold gives it
    ) -> bool:
        codename = get_permission_codename(verb, self.opts)
        return may(request.user, f"{self.opts.app_label}.{codename}")

    return has_permission


class EdgeAdmin(JsonShapes, ModelAdmin):
    """Answer malformed requests to lists and forms with a message."""

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Run an action on the chosen rows; refuse a malformed key."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(map(self._is_key, chosen)):
            self.message_user(
                request, "A chosen row has no such key; choose again.", messages.WARNING
            )
            return HttpResponseRedirect(request.get_full_path())
        response: HttpResponse | None = super().response_action(request, queryset)
        return response

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write of a row what its form shows.

        The rest may have changed since the row was read: a form may take seconds.
        """
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = obj._meta.concrete_fields  # noqa: SLF001  documented API
        obj.save(update_fields=[c.name for c in columns if c.name in form.cleaned_data])

    def _is_key(self, text: str) -> bool:
        key = self.model._meta.pk  # noqa: SLF001  documented API
        try:
            key.run_validators(key.to_python(text))
        except ValidationError:
            return False
        return True
