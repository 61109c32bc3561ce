"""Convert a checkpoint's emission to the forms that other programs need."""

from collections.abc import Collection, Sequence
from typing import Any

from emissions.frac64 import WHOLE, largest_remainder
from emissions.models import Checkpoint

PERCENT_DECIMALS = 6


def apportion(shares: Sequence[int], total: int) -> list[int]:
    """Split `total` in proportion to billionths, by largest remainder.

    Shares that sum to the whole give parts that sum to exactly `total`; of equal
    remainders the earlier one gets the odd unit.
    """
    return largest_remainder([share * total for share in shares], WHOLE)


def percentages(shares: Sequence[int], decimals: int = PERCENT_DECIMALS) -> list[float]:
    """Return percentages with this many decimals; their sum is that of the shares."""
    unit = 10**decimals
    return [part / unit for part in apportion(shares, 100 * unit)]


def model_shares(checkpoint: Checkpoint) -> list[tuple[dict[str, Any], int | None]]:
    """Return the ranking in order, with the billionths that each place earned.

    Crunchers are paid, not models: a cruncher's share is shown at their best model,
    with None at the others, and None everywhere while there is no emission. A cruncher
    who was paid without a place follows under their index, so that the parts sum to the
    whole.
    """
    places = checkpoint.meta.get("ranking", [])
    rewards = checkpoint.entries[0]["cruncher_rewards"] if checkpoint.entries else []
    shares = {reward["cruncher_index"]: reward["reward_pct"] for reward in rewards}
    ranked = [(place, shares.pop(place["cruncher_index"], None)) for place in places]
    taken = {place["model_id"] for place in places}
    return ranked + [
        ({"model_id": _name(index, taken), "cruncher_index": index}, share)
        for index, share in shares.items()
    ]


def _name(index: int, taken: Collection[str]) -> str:
    return f"cruncher {index}" if str(index) in taken else str(index)


def cli_format(checkpoint: Checkpoint, emission: dict[str, Any]) -> dict[str, Any]:
    """Return the crunch, and percentages by model id and by provider."""
    places = model_shares(checkpoint)
    shares = percentages([share or 0 for _, share in places])
    return {
        "crunch": emission["crunch"],
        "crunchEmission": {
            place["model_id"]: share
            for (place, _), share in zip(places, shares, strict=True)
        },
        "computeProvider": _providers(emission["compute_provider_rewards"]),
        "dataProvider": _providers(emission["data_provider_rewards"]),
    }


def _providers(rewards: list[dict[str, Any]]) -> dict[str, float]:
    shares = percentages([reward["reward_pct"] for reward in rewards])
    return {r["provider"]: share for r, share in zip(rewards, shares, strict=True)}


def prizes(checkpoint: Checkpoint, total_prize: int) -> list[dict[str, Any]]:
    """Split `total_prize` among the models, in whole units that add up to it."""
    places = model_shares(checkpoint)
    parts = apportion([share or 0 for _, share in places], total_prize)
    return [
        {
            "prizeId": f"{checkpoint}-{place['model_id']}",
            "timestamp": int(checkpoint.period_end.timestamp()),
            "model": place["model_id"],
            "prize": part,
        }
        for (place, _), part in zip(places, parts, strict=True)
    ]
