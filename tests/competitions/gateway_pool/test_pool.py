"""A worker's gateways: what a new one shows to models before their first question."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from competitions.gateway.types import ModelIdentity
from competitions.gateway_pool import pool
from competitions.rounds.build_question import newest_feeds

MODEL = ModelIdentity(
    model_id="1",
    name="a",
    deployment_id="1_1",
    cruncher_id="c",
    cruncher_name="C",
    wallet="",
    state="RUNNING",
)


@pytest.mark.django_db(transaction=True)
def test_a_new_gateway_shows_the_tapes_newest_to_models_that_join(competition, tape):
    gateway = pool.new_gateway(competition.slug)
    with ThreadPoolExecutor(1) as joining:  # as in the gateway: it has a connection
        shown = joining.submit(gateway._history, MODEL).result()
    assert shown == newest_feeds(slug=competition.slug)
    assert [call.args[0].value["symbol"] for call in shown] == ["BTCUSDT"]
