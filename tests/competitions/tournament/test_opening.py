"""A posted round is stored whole or not at all, once, beside the grid."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pydantic import BaseModel

from competitions import grid_dispatch, lifecycle
from competitions.contract import CrunchConfig
from competitions.errors import (
    DefinitionError,
    TournamentConflictError,
    TournamentError,
)
from competitions.models import Competition, Round, TournamentRound
from competitions.slots import wire
from competitions.tournament import opening
from competitions.tournament.opening import MOST_SAMPLES, open_round
from tests.competitions.tournament.conftest import features
from tests.conftest import NOW
from tests.waiting import is_waited_for, wait_for


def test_samples_are_rounds_in_order_beside_the_grid(competition, opened):
    rows = list(opened.rounds.order_by("sample"))
    assert [r.sample for r in rows] == [0, 1, 2]
    assert [r.raw_data for r in rows] == features(3)
    assert {r.scope_key for r in rows} == {"default"}
    assert [r.scope["feature_index"] for r in rows] == [0, 1, 2]
    assert {r.scope["round_id"] for r in rows} == {"r1"}
    assert [r.slot_at for r in rows] == sorted(
        NOW + timedelta(microseconds=i) for i in (1, 2, 3)
    )
    assert {r.resolvable_at for r in rows} == {None}
    assert opened.status == "OPEN"


def test_the_same_post_again_is_the_same_round(competition, opened):
    again = open_round(competition=competition, round_id="r1", features=features(3))
    assert again == opened
    assert Round.objects.count() == 3


def test_the_same_features_with_their_keys_in_another_order_are_the_same(competition):
    one, again = (
        open_round(competition=competition, round_id="r", features=[sample])
        for sample in ({"x": 1, "y": 2}, {"y": 2, "x": 1})
    )
    assert one == again


def test_the_same_features_in_another_scope_are_a_conflict(db, frozen_clock):
    competition = lifecycle.create_competition(slug="t", pack_name="tournament")
    competition.status = "ACTIVE"
    competition.save()
    facts = {"competition": competition, "round_id": "r", "features": features(1)}
    open_round(**facts, scope_key="in-sample-btc")
    with pytest.raises(TournamentConflictError, match="another scope"):
        open_round(**facts, scope_key="out-of-sample-btc")


@pytest.mark.parametrize("other", [features(2), features(4), [{"x": 9}] * 3])
def test_other_features_under_the_same_id_are_a_conflict(competition, opened, other):
    with pytest.raises(TournamentConflictError, match="other features"):
        open_round(competition=competition, round_id="r1", features=other)
    assert Round.objects.count() == 3


def test_two_rounds_of_an_instant_have_slots_of_their_own(competition, opened):
    other = open_round(competition=competition, round_id="r_", features=features(3))
    slots = set(Round.objects.values_list("slot_at", flat=True))
    assert len(slots) == 6
    assert other.samples == 3


def test_the_last_second_that_holds_all_samples_is_used_to_its_end(competition, at):
    with at(NOW.replace(microsecond=989_998)):
        open_round(competition=competition, round_id="r", features=features(10_000))
    slots = list(Round.objects.order_by("sample").values_list("slot_at", flat=True))
    assert slots[0] == NOW.replace(microsecond=989_999)
    assert slots[-1] == NOW.replace(microsecond=999_998)


@pytest.mark.parametrize("microsecond", [0, 1, 989_998, 989_999, 995_000, 999_999])
def test_no_sample_takes_a_slot_of_the_grid(competition, at, microsecond):
    with at(NOW.replace(microsecond=microsecond)):
        open_round(competition=competition, round_id="r", features=features(10_000))
    slots = list(Round.objects.order_by("sample").values_list("slot_at", flat=True))
    assert len(slots) == 10_000
    assert all(slot.microsecond for slot in slots)
    assert slots[0] > NOW.replace(microsecond=microsecond)
    assert slots == sorted(slots)


def test_the_grid_goes_on_and_never_asks_or_misses_a_sample(competition, opened, at):
    with at(NOW + timedelta(days=1)):
        grid_dispatch.reap()
        assert Round.objects.to_ask(NOW + timedelta(days=1)).count() == 0
        assert grid_dispatch.dispatch() == [competition.pk]
    assert set(opened.rounds.values_list("status", flat=True)) == {"RECEIVED"}


@pytest.mark.parametrize(
    ("round_id", "samples", "said"),
    [
        ("", features(1), "round_id was ''"),
        ("a/b", features(1), "round_id was 'a/b'"),
        ("a%", features(1), "round_id was 'a%'"),
        ("x" * 101, features(1), "round_id was"),
        ("r", [], "features had 0 samples"),
        ("r", [{}] * (MOST_SAMPLES + 1), f"features had {MOST_SAMPLES + 1} samples"),
        ("r", [{"x": 1}, 5], "features: sample 1 was 5; an object is needed"),
        ("r", [{"x": 1}, {"x": 2}, None], "features: sample 2 was None"),
    ],
)
def test_what_does_not_fit_is_refused_whole(competition, round_id, samples, said):
    with pytest.raises(TournamentError, match=said):
        open_round(competition=competition, round_id=round_id, features=samples)
    assert not TournamentRound.objects.exists()
    assert not Round.objects.exists()


class House(BaseModel):
    area: float


def test_features_are_of_the_contracts_input_type(competition, monkeypatch):
    wiring = wire(CrunchConfig(input_type=House), {})
    monkeypatch.setattr(opening, "wiring_of", lambda competition: wiring)
    homes = [{"area": 70}, {"area": "wide"}]
    with pytest.raises(TournamentError, match=r"features: sample 1: area: Input"):
        open_round(competition=competition, round_id="r", features=homes)
    assert not Round.objects.exists()


def test_an_unknown_scope_is_named_with_those_that_there_are(competition):
    with pytest.raises(TournamentError, match="scope was 'x'; the scopes of btc are d"):
        open_round(
            competition=competition, round_id="r", features=features(1), scope_key="x"
        )


def test_scopes_stand_side_by_side(db, frozen_clock):
    competition = lifecycle.create_competition(slug="t", pack_name="tournament")
    competition.status = "ACTIVE"
    competition.save()
    for name, scope_key in (("a", "in-sample-btc"), ("b", "out-of-sample-btc")):
        open_round(
            competition=competition,
            round_id=name,
            features=features(2),
            scope_key=scope_key,
        )
    rows = Round.objects.order_by("pk")
    assert [(r.scope_key, r.scope["tournament_mode"]) for r in rows] == [
        *[("in-sample-btc", "in-sample")] * 2,
        *[("out-of-sample-btc", "out-of-sample")] * 2,
    ]


def test_a_competition_that_does_not_run_opens_none(competition, opened):
    lifecycle.pause(competition_id=competition.pk)
    competition.refresh_from_db()
    with pytest.raises(DefinitionError, match="btc was PAUSED"):
        open_round(competition=competition, round_id="r2", features=features(1))
    again = open_round(competition=competition, round_id="r1", features=features(3))
    assert again == opened


def test_text_that_no_column_holds_is_stored_without_it(competition):
    round_ = open_round(competition=competition, round_id="r", features=[{"x": "a\0b"}])
    assert "\0" not in round_.rounds.get().raw_data["x"]


def test_statements_do_not_grow_with_the_samples(competition):
    counts = []
    for name, samples in (("few", 2), ("many", 2_000)):
        with CaptureQueriesContext(connection) as queries:
            open_round(
                competition=competition, round_id=name, features=features(samples)
            )
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_once_make_one_round(competition):
    both, failures = Barrier(2, timeout=60), []

    def post():
        try:
            both.wait()
            open_round(competition=competition, round_id="r", features=features(50))
        except Exception as error:  # noqa: BLE001  whatever a post raises
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert TournamentRound.objects.count() == 1
    assert Round.objects.count() == 50


def post(competition):
    """Post in a thread of its own, with a connection of its own."""
    try:
        return open_round(competition=competition, round_id="r", features=features(1))
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_round_is_posted_while_an_operator_is_pausing(competition):
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Competition.objects.held().get(pk=competition.pk)  # as the act begins
        posted = pool.submit(post, competition)
        wait_for(lambda: is_waited_for() or posted.done())
        lifecycle.pause(competition_id=competition.pk)
    assert posted.result(60).samples == 1
    assert Competition.objects.get().status == "PAUSED"


@pytest.mark.django_db(transaction=True)
def test_two_rounds_of_a_schedule_choose_their_slots_one_after_the_other(competition):
    scheduled = competition.scheduled_predictions.first()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        # A lock that lets others refer to the row, but not choose slots.
        type(scheduled).objects.select_for_update(no_key=True).get(pk=scheduled.pk)
        posted = pool.submit(post, competition)
        wait_for(lambda: is_waited_for() or posted.done())
        assert not posted.done()
    assert posted.result(60).samples == 1
