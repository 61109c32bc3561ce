"""What each admin page stands on: forms and actions that no value makes fail."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from core.parsing import JsonError, parse_json
from core.texts import storable_json


class StrictJsonField(forms.JSONField):
    """JSON that a column can hold: finite numbers, no NUL, bounded size and depth."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:
            try:
                _parse(value)
            except JsonError as error:
                raise ValidationError(f"This {error}.", code="invalid") from None
        return super().to_python(value)

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
        raise JsonError("holds a NUL or half a character, which no column can hold")


# For `formfield_overrides`, of inlines too.
STRICT_JSON: dict[Any, dict[str, Any]] = {
    models.JSONField: {"form_class": StrictJsonField}
}


class EdgeAdmin(ModelAdmin):
    """Lists and forms that answer a malformed request in words."""

    formfield_overrides: Any = STRICT_JSON

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Run an action on the rows that are chosen; refuse keys that are none."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(map(self._is_key, chosen)):
            self.message_user(
                request, "A chosen row has no such key; choose again.", messages.WARNING
            )
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset)

    def _is_key(self, text: str) -> bool:
        key = self.model._meta.pk  # noqa: SLF001  documented API
        try:
            key.run_validators(key.to_python(text))
        except ValidationError:
            return False
        return True
