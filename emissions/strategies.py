"""Turn a ranking into rewards by a rule, and check the shape of every payout."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.misfits import first_misfit
from emissions import frac64
from emissions.errors import EmissionError
from emissions.shares import tier_weights

_Recipient = TypeVar("_Recipient", int, str)


class CruncherReward(BaseModel):
    """The reward of one cruncher, in billionths of the whole."""

    model_config = ConfigDict(extra="forbid")
    cruncher_index: int = Field(ge=0)
    reward_pct: int = Field(ge=0, le=frac64.WHOLE, strict=True)


class ProviderReward(BaseModel):
    """The reward of one provider in its category, in billionths."""

    model_config = ConfigDict(extra="forbid")
    provider: str = Field(min_length=1)
    reward_pct: int = Field(ge=0, le=frac64.WHOLE, strict=True)


class EmissionCheckpoint(BaseModel):
    """The protocol's object: exactly these four keys."""

    model_config = ConfigDict(extra="forbid")
    crunch: str
    cruncher_rewards: list[CruncherReward]
    compute_provider_rewards: list[ProviderReward]
    data_provider_rewards: list[ProviderReward]


def tier_shares(count: int) -> list[int]:
    """Return the shares of ranks 1 to `count`; they sum to exactly the whole."""
    return frac64.split(tier_weights(count))


def tiers(
    ranked_entries: Sequence[Mapping[str, Any]],
    crunch_pubkey: str,
    compute_provider: str | None = None,
    data_provider: str | None = None,
) -> dict[str, Any]:
    """Build one reward per ranked entry, best first, by its tier: the default."""
    return rewarded(
        ranked_entries,
        tier_shares(len(ranked_entries)),
        crunch_pubkey=crunch_pubkey,
        compute_provider=compute_provider,
        data_provider=data_provider,
    )


def rewarded(
    ranked_entries: Sequence[Mapping[str, Any]],
    shares: Sequence[int],
    *,
    crunch_pubkey: str,
    compute_provider: str | None = None,
    data_provider: str | None = None,
) -> dict[str, Any]:
    """Return the protocol's object that gives each ranked entry its share."""
    return {
        "crunch": crunch_pubkey,
        "cruncher_rewards": [
            {"cruncher_index": entry["cruncher_index"], "reward_pct": share}
            for entry, share in zip(ranked_entries, shares, strict=True)
        ],
        "compute_provider_rewards": _whole(compute_provider),
        "data_provider_rewards": _whole(data_provider),
    }


def _whole(provider: str | None) -> list[dict[str, Any]]:
    if not provider:
        return []
    return [{"provider": provider, "reward_pct": frac64.WHOLE}]


def checked(built: Any, *, payable: Collection[int]) -> EmissionCheckpoint:
    """Validate a builder's result, and pay each cruncher once.

    Rewards of the same cruncher, and of the same provider, are added up, in order of
    their first mention. Raises EmissionError when the shape is wrong, when a cruncher
    is paid who is not among `payable` (the indexes of the ranking: no format could name
    the model), or when a category that pays anybody does not sum to exactly the whole.
    """
    if isinstance(built, BaseModel):
        built = built.model_dump()
    try:
        emission = EmissionCheckpoint.model_validate(built)
    except ValidationError as error:
        raise EmissionError(
            f"the emission: {first_misfit(error)}; the builder gave it."
        ) from None
    emission.cruncher_rewards = [
        CruncherReward(cruncher_index=index, reward_pct=share)
        for index, share in _added_up(
            (reward.cruncher_index, reward.reward_pct)
            for reward in emission.cruncher_rewards
        )
    ]
    emission.compute_provider_rewards = _once_each(emission.compute_provider_rewards)
    emission.data_provider_rewards = _once_each(emission.data_provider_rewards)
    for category in (
        emission.cruncher_rewards,
        emission.compute_provider_rewards,
        emission.data_provider_rewards,
    ):
        total = sum(reward.reward_pct for reward in category)
        if category and total != frac64.WHOLE:
            raise EmissionError(
                f"rewards summed to {total}; they must sum to {frac64.WHOLE}."
            )
    paid = {reward.cruncher_index for reward in emission.cruncher_rewards}
    if strangers := paid - set(payable):
        raise EmissionError(
            f"the builder paid {sorted(strangers)}; the ranking has "
            f"{sorted(set(payable))} alone."
        )
    return emission


def _once_each(rewards: list[ProviderReward]) -> list[ProviderReward]:
    return [
        ProviderReward(provider=provider, reward_pct=share)
        for provider, share in _added_up(
            (reward.provider, reward.reward_pct) for reward in rewards
        )
    ]


def _added_up(
    rewards: Iterable[tuple[_Recipient, int]],
) -> Iterable[tuple[_Recipient, int]]:
    totals: dict[_Recipient, int] = {}
    for payee, share in rewards:
        totals[payee] = totals.get(payee, 0) + share
    return totals.items()
