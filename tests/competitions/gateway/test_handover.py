"""The lock, the gateway or the database goes away while models are being asked."""

import threading

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from competitions import grid_dispatch, lifecycle
from competitions.gateway import gateway as gateway_module
from competitions.gateway.errors import GatewayError
from competitions.gateway_pool import pool
from competitions.models import Prediction, Round
from competitions.rounds.perform import perform_waiting
from tests.competitions.gateway.conftest import LIMIT_S, STEADY, predicting, wait_live
from tests.competitions.gateway_pool.test_ownership import end_session_of
from tests.waiting import AMPLE_S, wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "tape"]),
    pytest.mark.usefixtures("tape"),
]
# Says in its log that it is being asked, then waits until it is let go.
SLOW = predicting(
    """
    print("asked", flush=True)
    while not GO.exists():
        time.sleep(0.01)
    return {"value": 1.0}
    """,
    head="import pathlib, time\nGO = pathlib.Path(__file__).with_name('go')",
)


@pytest.fixture
def competition(transactional_db, frozen_clock):
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    return lifecycle.activate(competition_id=draft.pk)


@pytest.fixture
def owner(stage, competition, monkeypatch):
    """The pool's gateway to a slow and a steady model, with one waiting round."""
    stage.add("slow", SLOW)
    stage.add("steady", STEADY)
    monkeypatch.setattr(
        pool, "new_gateway", lambda key: stage.gateway(starts=False, timeout_s=30)
    )
    monkeypatch.setattr(pool, "WATCH_S", 0.05)
    grid_dispatch.predict_now(competition_id=competition.pk)
    gateway = pool.gateway_of("btc")
    wait_live(gateway, "slow", "steady")
    yield gateway
    pool.close_all()


def let_go(stage):
    (stage.models["slow"].folder / "go").touch()


class Asking(threading.Thread):
    """A worker's thread in the middle of `perform_waiting`."""

    def __init__(self, competition, gateway, stage):
        super().__init__()
        self.competition, self.gateway = competition, gateway
        self.error = None
        self.start()
        log = stage.models["slow"].log_path
        wait_for(lambda: "asked" in log.read_text())

    def run(self):
        try:
            perform_waiting(competition_id=self.competition.pk, gateway=self.gateway)
        except (GatewayError, OperationalError) as error:
            self.error = error
        finally:
            connection.close()


def test_an_owner_that_lost_its_lock_stops_and_its_successor_stores_once(
    owner, competition, stage
):
    asking = Asking(competition, owner, stage)
    end_session_of("btc", pool._owned["btc"].ownership)
    asking.join(AMPLE_S)

    assert isinstance(asking.error, GatewayError), "it did not wait for the slow model"
    let_go(stage)
    round_ = Round.objects.get()
    assert (round_.status, round_.performed_at) == ("RECEIVED", None)
    assert not Prediction.objects.exists()

    successor = pool.gateway_of("btc")
    assert successor is not owner
    wait_live(successor, "slow", "steady")
    assert perform_waiting(competition_id=competition.pk, gateway=successor) == 1
    assert Prediction.objects.count() == 2
    assert Round.objects.get().performed_at is not None


def test_two_owners_that_both_ask_store_once(owner, competition, stage):
    """What a lost lock could lead to at worst: the row decides, not the lock."""
    asking = Asking(competition, owner, stage)
    other = stage.gateway(timeout_s=LIMIT_S)
    wait_for(lambda: "steady" in other.live())

    performed = perform_waiting(competition_id=competition.pk, gateway=other)
    let_go(stage)
    asking.join(AMPLE_S)

    assert performed == 1
    assert asking.error is None
    assert Prediction.objects.filter(model__model_id="steady").count() == 1
    assert Prediction.objects.count() == 2


def test_a_database_that_restarts_costs_no_round(owner, competition, stage):
    asking = Asking(competition, owner, stage)
    end_all_sessions()
    let_go(stage)
    asking.join(AMPLE_S)

    assert isinstance(asking.error, GatewayError | OperationalError)
    assert Round.objects.get().status == "RECEIVED"
    gateway = wait_for(lambda: pool.gateway_of("btc"))
    wait_live(gateway, "slow", "steady")
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1
    assert Prediction.objects.count() == 2


def test_a_closed_gateway_leaves_the_round_to_the_next(owner, competition, stage):
    asking = Asking(competition, owner, stage)
    pool.close_all()
    asking.join(AMPLE_S)

    assert isinstance(asking.error, GatewayError)
    assert Round.objects.get().status == "RECEIVED"


@pytest.fixture
def stuck(owner, monkeypatch):
    """The owner, whose loop does nothing until the event is set, and that event."""
    freed = threading.Event()
    owner._loop.call_soon_threadsafe(freed.wait, 60)
    owner.is_stuck = True
    yield freed
    freed.set()  # and let the closing that waited come to its end
    owner._thread.join(AMPLE_S)
    if not owner._loop.is_closed():
        owner._loop.call_later(1.0, owner._loop.stop)
        owner._loop.run_forever()
        owner._loop.close()


def test_a_gateway_that_got_stuck_is_replaced(
    owner, competition, stage, monkeypatch, stuck
):
    let_go(stage)
    monkeypatch.setattr(gateway_module, "ROUND_MARGIN_S", -295.0)  # 5 s in all
    monkeypatch.setattr(gateway_module, "CLOSE_S", 0.1)
    owner.is_stuck = False
    monkeypatch.setattr(owner, "roster", list)
    with pytest.raises(GatewayError, match="gave no answer within 5"):
        perform_waiting(competition_id=competition.pk, gateway=owner)
    assert Round.objects.get().status == "RECEIVED"

    successor = pool.gateway_of("btc")

    assert successor is not owner
    wait_live(successor, "slow", "steady")
    monkeypatch.setattr(gateway_module, "ROUND_MARGIN_S", 60.0)
    assert perform_waiting(competition_id=competition.pk, gateway=successor) == 1


def test_a_stuck_gateway_that_is_closed_keeps_no_other_waiting(owner, stuck):
    closing = threading.Thread(target=pool.gateway_of, args=("btc",))
    closing.start()
    wait_for(lambda: "btc" not in pool._owned)

    assert pool.gateway_of("eth") is not None
    assert pool.gateway_of("btc") is None, "its lock is held until it is closed"
    assert closing.is_alive()
    stuck.set()
    closing.join(AMPLE_S)
    assert pool._owned["btc"].gateway is not owner


def end_all_sessions():
    """As a restart of PostgreSQL: every session ends, this one's too."""
    import psycopg2

    other = psycopg2.connect(settings.DATABASE_URL)
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = ANY(%s) AND pid <> pg_backend_pid()",
            [[other.info.dbname, connection.settings_dict["NAME"]]],
        )
    other.close()
    connection.close()
