"""The report schema of a competition: what its callable slot says."""

from typing import Any

from rest_framework import serializers

from competitions.contract import CrunchConfig
from competitions.errors import SlotError
from competitions.models import Competition
from competitions.report_schema import standard_schema
from competitions.wiring import wiring_of

SLOT = "REPORT_SCHEMA_PROVIDER"


class Column(serializers.Serializer[Any]):
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
    leaderboard_columns = Column(many=True)
    metrics_widgets = Widget(many=True)


def report_schema(competition: Competition | None) -> dict[str, Any]:
    """Columns and widgets; without a competition those of the default contract.

    Raises CompetitionError when the contract or the slot cannot be resolved, or the
    operator's schema is none.
    """
    if competition is None:
        return standard_schema(CrunchConfig())
    wiring = wiring_of(competition)
    if wiring.is_default(SLOT):
        return standard_schema(wiring.config)
    schema = wiring[SLOT]()
    checked = ReportSchema(data=schema)
    if not checked.is_valid():
        raise SlotError(
            f"{SLOT} was {wiring.paths[SLOT]!r}, whose schema does not fit: "
            f"{dict(checked.errors)}."
        )
    return dict(schema)
