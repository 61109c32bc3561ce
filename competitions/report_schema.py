"""Get a competition's report schema from its callable slot, and check it."""

import math
import time
from typing import Any

from rest_framework import serializers

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.callables.slot_answers import json_object
from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.slots import Wiring
from competitions.standard_report import standard_schema
from competitions.wiring import shown_wiring

SLOT = "REPORT_SCHEMA_PROVIDER"
# Time limit of the provider, in real time, and how long its answer is cached.
PATIENCE_S = 2.0
KEPT_S = 30.0
_kept: dict[tuple[int, str], tuple[float, dict[str, Any] | None]] = {}


class ColumnSerializer(serializers.Serializer[Any]):
    """A column of the leaderboard, for any user interface."""

    id = serializers.IntegerField()
    type = serializers.ChoiceField(["MODEL", "VALUE", "USERNAME", "CHART"])
    property = serializers.CharField()
    format = serializers.CharField(allow_null=True)
    displayName = serializers.CharField()  # noqa: N815  the protocol's spelling
    tooltip = serializers.CharField(allow_null=True)
    nativeConfiguration = serializers.JSONField(allow_null=True)  # noqa: N815
    order = serializers.IntegerField()


class Widget(serializers.Serializer[Any]):
    """A chart of the metrics page, for any user interface."""

    id = serializers.IntegerField()
    type = serializers.ChoiceField(["CHART", "IFRAME"])
    displayName = serializers.CharField()  # noqa: N815
    tooltip = serializers.CharField(allow_null=True)
    order = serializers.IntegerField()
    endpointUrl = serializers.CharField()  # noqa: N815
    nativeConfiguration = serializers.JSONField(allow_null=True)  # noqa: N815


class ReportSchema(serializers.Serializer[Any]):
    schema_version = serializers.CharField()
    leaderboard_columns = ColumnSerializer(many=True)
    metrics_widgets = Widget(many=True)


def report_schema(competition: Competition | None) -> dict[str, Any]:
    """Return columns and widgets; without a competition those of the default contract.

    An operator's provider is called every KEPT_S seconds at most. While it fails, or
    the contract cannot be loaded, the standard schema is used.
    """
    if competition is None:
        return standard_schema(CrunchConfig())
    wiring = shown_wiring(competition)
    if wiring.is_default(SLOT):
        return standard_schema(wiring.config)
    place = (competition.pk, wiring.paths[SLOT])
    asked_at, schema = _kept.get(place, (-math.inf, None))
    if time.monotonic() - asked_at > KEPT_S:
        try:
            schema = ask_provider(competition, wiring)
        except CallableError:
            schema = None
        _kept[place] = (time.monotonic(), schema)
    return schema or standard_schema(wiring.config)


def ask_provider(competition: Competition, wiring: Wiring) -> dict[str, Any] | None:
    """Return the operator's schema, None without a provider; raises CallableError."""
    if wiring.is_default(SLOT):
        return None
    schema: dict[str, Any] = GuardedCalls(competition).call_slot(
        wiring, SLOT, check=_checked, patience_s=PATIENCE_S
    )
    return schema


def _checked(schema: Any) -> dict[str, Any]:
    """Return an operator's schema; raises ValueError naming the problem."""
    found = ReportSchema(data=schema)
    if not found.is_valid():
        raise ValueError(f"its schema does not fit: {dict(found.errors)}")
    return json_object(dict(schema), "the schema")
