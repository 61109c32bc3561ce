"""A worker's gateways: what a new one shows to models before their first question."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings

from competitions.gateway.errors import GatewayError
from competitions.gateway.types import ModelIdentity
from competitions.gateway_pool import pool
from competitions.gateway_pool.ownership import claim_competition
from competitions.models import Competition
from competitions.rounds.build_question import newest_feeds
from competitions.run_models import ModelDaemon
from competitions.tasks import submissions

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


@pytest.mark.parametrize(
    "look", [submissions, lambda: ModelDaemon().turn()], ids=["worker", "run_models"]
)
def test_an_ended_competition_keeps_no_gateway_and_no_connection(competition, look):
    gateway = pool.gateway_of(competition.slug)
    try:
        for status in (Competition.Status.PAUSED, Competition.Status.ENDED):
            assert gateway.roster() == []
            Competition.objects.update(status=status)
            look()
        with pytest.raises(GatewayError, match="is closed"):
            gateway.roster()
        assert not pool._owned
        claim = claim_competition(competition.slug, database_url=settings.DATABASE_URL)
        claim.release()
    finally:
        pool.close_all()
