import pytest

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.slots import wire
from emissions.builder import build_emission
from emissions.errors import EmissionError
from emissions.frac64 import WHOLE
from emissions.strategies import rewarded
from tests.conftest import NOW
from tests.scoring.factories import make_competition

WIRING = wire(CrunchConfig(), {})


@pytest.fixture
def competition(db):
    return make_competition(NOW)


def test_key_and_providers_of_the_environment_are_read_when_they_are_paid(
    competition, settings
):
    settings.ENV = settings.ENV.model_copy(
        update={"crunch_pubkey": "ENV", "data_provider_pubkey": "data"}
    )
    competition.crunch_pubkey = ""
    paid = build_emission(
        competition=competition,
        wiring=WIRING,
        ranking=[],
        guarded=GuardedCalls(competition),
    ).model_dump()
    assert paid["crunch"] == "ENV"
    assert paid["compute_provider_rewards"] == []
    assert [r["provider"] for r in paid["data_provider_rewards"]] == ["data"]


def test_the_rows_providers_win_over_the_contracts(competition, rewire):
    wiring = rewire(compute_provider="contract", data_provider="contract")
    competition.compute_provider, competition.data_provider = "row", "row"
    paid = build_emission(
        competition=competition,
        wiring=wiring,
        ranking=[],
        guarded=GuardedCalls(competition),
    )
    assert [r.provider for r in paid.compute_provider_rewards] == ["row"]
    assert [r.provider for r in paid.data_provider_rewards] == ["row"]


def entry(model_id, index, value):
    return {"model_id": model_id, "cruncher_index": index, "ranking_value": value}


def test_models_without_a_cruncher_are_named_and_nobody_is_paid(competition):
    ranking = [entry("a", None, 2.0), entry("b", 7, 1.0), entry("c", None, 0.5)]
    with pytest.raises(EmissionError, match=r"a, c of .* belong to no cruncher"):
        build_emission(
            competition=competition,
            wiring=WIRING,
            ranking=ranking,
            guarded=GuardedCalls(competition),
        )


def first_takes_all(ranking, crunch_pubkey, **providers):
    shares = [WHOLE] + [0] * (len(ranking) - 1)
    return rewarded(ranking, shares, crunch_pubkey=crunch_pubkey, **providers)


@pytest.mark.parametrize(
    ("emission", "paid"),
    [
        ({}, [(7, 62.5), (9, 37.5)]),
        ({"strategy": "proportional"}, [(7, 75), (9, 25)]),
        ({"strategy": "equal", "best": 1}, [(7, 100), (9, 0)]),
        ({"strategy": f"{__name__}:first_takes_all"}, [(7, 100), (9, 0)]),
    ],
)
def test_the_contract_names_the_strategy(competition, emission, paid):
    built = build_emission(
        competition=competition,
        wiring=wire(CrunchConfig(emission=emission), {}),
        ranking=[entry("a", 7, 3.0), entry("b", 9, 1.0)],
        guarded=GuardedCalls(competition),
    )
    assert [
        (each.cruncher_index, each.reward_pct / 10**7)
        for each in built.cruncher_rewards
    ] == paid
