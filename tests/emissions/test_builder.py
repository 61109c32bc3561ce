import pytest

from competitions.callables.door import Door
from competitions.contract import CrunchConfig
from competitions.slots import wire
from emissions.builder import build_emission
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
        door=Door(competition),
    ).model_dump()
    assert paid["crunch"] == "ENV"
    assert paid["compute_provider_rewards"] == []
    assert [r["provider"] for r in paid["data_provider_rewards"]] == ["data"]


def test_the_rows_providers_win_over_the_contracts(competition, rewire):
    wiring = rewire(compute_provider="contract", data_provider="contract")
    competition.compute_provider, competition.data_provider = "row", "row"
    paid = build_emission(
        competition=competition, wiring=wiring, ranking=[], door=Door(competition)
    )
    assert [r.provider for r in paid.compute_provider_rewards] == ["row"]
    assert [r.provider for r in paid.data_provider_rewards] == ["row"]
