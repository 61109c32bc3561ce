"""Build the emission of a ranking, with the contract's builder or a strategy."""

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.definition import key_of
from competitions.models import Competition
from competitions.slots import Wiring
from core.imports import import_target
from emissions.errors import EmissionError
from emissions.payees import Payee
from emissions.shares import shares_of
from emissions.strategies import EmissionCheckpoint, checked, rewarded


def build_emission(
    *,
    competition: Competition,
    wiring: Wiring,
    ranking: Sequence[Payee],
    guarded: GuardedCalls,
) -> EmissionCheckpoint:
    """Build and check the rewards of a ranking.

    An empty ranking pays no cruncher, whatever the builder would return. The key and
    providers of the competition's row take precedence over the contract's. A builder
    that fails has no replacement: the period waits, and is paid once it works. Raises
    EmissionError without a key or a model's cruncher, CallableError when the builder
    fails.
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
    providers = {
        "compute_provider": competition.compute_provider
        or config.compute_provider
        or env.compute_provider_pubkey,
        "data_provider": competition.data_provider
        or config.data_provider
        or env.data_provider_pubkey,
    }
    indexes = _indexes(competition, ranking)
    builder = builder_of(config) if ranking else None
    if builder is None:
        shares = shares_of(
            config.emission,
            ranking,
            is_ascending=config.aggregation.ranking_direction == "asc",
        )
        built = rewarded(ranking, shares, crunch_pubkey=crunch_pubkey, **providers)
        return checked(built, payable=indexes)
    emission: EmissionCheckpoint = guarded.call(
        "build_emission",
        "contract:build_emission",
        lambda: builder(ranking, crunch_pubkey=crunch_pubkey, **providers),
        check=lambda built: checked(built, payable=indexes),
    )
    return emission


def builder_of(config: CrunchConfig) -> Callable[..., Any] | None:
    """Return the operator's own builder, or None where a strategy is named."""
    if config.emission.is_custom:
        named: Callable[..., Any] = import_target(config.emission.strategy)
        return named
    return config.build_emission


def _indexes(competition: Competition, ranking: Sequence[Payee]) -> list[int]:
    """Return the crunchers' indexes; raises EmissionError for models without one."""
    found = [entry["cruncher_index"] for entry in ranking]
    lacking = [e["model_id"] for e in ranking if e["cruncher_index"] is None]
    if lacking:
        raise EmissionError(
            f"{', '.join(lacking)} of {competition.slug} belong to no cruncher, so "
            f"nobody can be paid for them: give each a cruncher with an index, or "
            f"exclude it; the period is paid then."
        )
    return [index for index in found if index is not None]
