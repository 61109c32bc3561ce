"""Shapes of queries, bodies and rows of the endpoints on checkpoints."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from competitions.reporting import CompetitionPageQuery, CompetitionQuery
from core.paging import LARGEST_INT
from core.requests import IdField
from core.rows import PrefixedKey
from emissions import formats
from emissions.api.chosen import emission_of
from emissions.models import LONGEST_TX_HASH, PREFIX, Checkpoint, is_tx_hash


class CheckpointQuery(CompetitionPageQuery):
    status = serializers.ChoiceField(Checkpoint.Status.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class RewardQuery(CompetitionPageQuery):
    model_id = IdField(required=False)
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=20, help_text="Checkpoints, not rows."
    )


class PrizeQuery(serializers.Serializer[Any]):
    total_prize = serializers.IntegerField(
        min_value=0, max_value=LARGEST_INT, default=0
    )


class LatestPrizeQuery(CompetitionQuery, PrizeQuery):
    pass


class CruncherRewardSerializer(serializers.Serializer[Any]):
    cruncher_index = serializers.IntegerField()
    reward_pct = serializers.IntegerField(help_text="1 000 000 000 = 100 %.")


class ProviderRewardSerializer(serializers.Serializer[Any]):
    provider = serializers.CharField()
    reward_pct = serializers.IntegerField(help_text="1 000 000 000 = 100 %.")


class Emission(serializers.Serializer[Any]):
    crunch = serializers.CharField()
    cruncher_rewards = CruncherRewardSerializer(many=True)
    compute_provider_rewards = ProviderRewardSerializer(many=True)
    data_provider_rewards = ProviderRewardSerializer(many=True)


class CheckpointRow(serializers.ModelSerializer[Checkpoint]):
    id = PrefixedKey(prefix=PREFIX)
    entries = Emission(many=True)
    meta = serializers.DictField()

    class Meta:
        model = Checkpoint
        fields = [
            "id",
            "period_start",
            "period_end",
            "status",
            "entries",
            "meta",
            "created_at",
            "tx_hash",
            "submitted_at",
        ]


class Payload(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    entries = Emission(many=True)

    class Meta:
        model = Checkpoint
        fields = ["checkpoint_id", "period_start", "period_end", "entries"]


class LatestEmission(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    emission = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = ["checkpoint_id", "status", "period_start", "period_end", "emission"]

    @extend_schema_field(Emission)
    def get_emission(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return emission_of(checkpoint)


class CliFormat(serializers.Serializer[Any]):
    crunch = serializers.CharField()
    crunchEmission = serializers.DictField(  # noqa: N815  the protocol's spelling
        child=serializers.FloatField(), help_text="Model id to percent."
    )
    computeProvider = serializers.DictField(child=serializers.FloatField())  # noqa: N815
    dataProvider = serializers.DictField(child=serializers.FloatField())  # noqa: N815


class Prize(serializers.Serializer[Any]):
    prizeId = serializers.CharField()  # noqa: N815  the protocol's spelling
    timestamp = serializers.IntegerField(help_text="End of the period, epoch seconds.")
    model = serializers.CharField()
    prize = serializers.IntegerField()


class LatestPrizes(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    total_prize = serializers.SerializerMethodField()
    prizes = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = [
            "checkpoint_id",
            "status",
            "period_start",
            "period_end",
            "total_prize",
            "prizes",
        ]

    def get_total_prize(self, checkpoint: Checkpoint) -> int:
        return int(self.context["total_prize"])

    @extend_schema_field(Prize(many=True))
    def get_prizes(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        return formats.prizes(checkpoint, self.context["total_prize"])


class RewardSerializer(serializers.Serializer[Any]):
    """What a ranked model earned, with the numbers of its summary."""

    checkpoint_id = serializers.CharField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    model_id = serializers.CharField()
    model_name = serializers.CharField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True)
    reward_pct = serializers.FloatField(allow_null=True, help_text="Percent.")
    prediction_count = serializers.IntegerField(allow_null=True)


class Confirmation(serializers.Serializer[Any]):
    tx_hash = serializers.CharField(max_length=LONGEST_TX_HASH, validators=[is_tx_hash])


class TransactionCorrection(Confirmation):
    reason = serializers.CharField(
        max_length=300, help_text="Kept in the trail, for whoever reads it next."
    )


class StatusChange(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        Checkpoint.Status.choices,
        error_messages={
            "invalid_choice": "was {input!r}; it is one of "
            f"{', '.join(Checkpoint.Status.values)}."
        },
    )
