"""Build the emission of a ranking, with the contract's builder or the default tiers."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from competitions.callables.door import Door
from competitions.definition import key_of
from competitions.models import Competition
from competitions.slots import Wiring
from emissions.errors import EmissionError
from emissions.payees import Payee
from emissions.strategies import EmissionCheckpoint, checked, tiers


def build_emission(
    *,
    competition: Competition,
    wiring: Wiring,
    ranking: Sequence[Payee],
    door: Door,
) -> EmissionCheckpoint:
    """Build and check the rewards of a ranking.

    An empty ranking pays no cruncher, whatever the builder would return. The key and
    providers of the competition's row take precedence over the contract's. A builder
    that fails has no replacement: the period waits, and is paid once it works. Raises
    EmissionError without a key, CallableError when the builder fails.
    """
    config = wiring.config
    env = settings.ENV
    crunch_pubkey = key_of(competition, wiring)
    if not crunch_pubkey:
        raise EmissionError(
            f"{competition.slug} has no crunch key, so nobody can be paid: set the"
            f" competition's crunch pubkey, or CRUNCH_PUBKEY; its closed periods"
            f" are paid then."
        )
    builder = config.build_emission if ranking else None

    indexes = [
        entry["cruncher_index"]
        for entry in ranking
        if entry["cruncher_index"] is not None
    ]

    def build() -> Any:
        return (builder or tiers)(
            ranking,
            crunch_pubkey=crunch_pubkey,
            compute_provider=competition.compute_provider
            or config.compute_provider
            or env.compute_provider_pubkey,
            data_provider=competition.data_provider
            or config.data_provider
            or env.data_provider_pubkey,
        )

    def check(built: Any) -> EmissionCheckpoint:
        return checked(built, payable=indexes)

    if builder is None:
        return check(build())
    emission: EmissionCheckpoint = door.call(
        "build_emission", "contract:build_emission", build, check=check
    )
    return emission
