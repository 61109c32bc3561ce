"""A clock that was ahead or behind stops no scoring and ends nothing early."""

from datetime import timedelta

import pytest

from competitions.models import Competition, Round
from feeds.errors import ProviderError
from scoring.cycle import claim_due, run_cycle
from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
JUMPS = [timedelta(hours=h) for h in (1, 6, 24)]


@pytest.fixture
def asked(competition):
    """Five rounds that are due at NOW, and the model that answered them."""
    (model,) = make_models(competition, "a")
    put_candles(NOW - 11 * MINUTE, [100.0 + i for i in range(11)])
    for i in range(5):
        make_round(competition, NOW - (10 - i) * MINUTE, {model: 1.0})
    return model


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_cycle_put_off_by_a_clock_ahead_comes_at_once(competition, at, jump):
    with at(NOW + jump):
        assert claim_due() == [competition.pk]
    assert claim_due() == [competition.pk]
    assert claim_due() == []
    competition.refresh_from_db()
    assert competition.next_score_at == NOW + timedelta(seconds=10)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_behind_claims_no_cycle_twice(competition, at, jump):
    Competition.objects.update(next_score_at=NOW)
    assert claim_due() == [competition.pk]
    with at(NOW + timedelta(seconds=9) - jump):
        claim_due()
    with at(NOW + timedelta(seconds=10)):
        assert claim_due() == [competition.pk]
        assert claim_due() == []


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_period_closed_ahead_of_time_ends_no_round_early(competition, asked, jump):
    Snapshot.objects.create(
        model=asked,
        period_start=NOW + jump - HOUR,
        period_end=NOW + jump,
        prediction_count=0,
        is_closed=True,
        created_at=NOW,
        updated_at=NOW,
    )
    later = make_round(competition, NOW - MINUTE, {asked: 1.0}, horizon_s=120)
    report = run_cycle(competition_id=competition.pk)
    assert (report.resolved, report.unresolvable, report.scored) == (5, 0, 5)
    later.refresh_from_db()
    assert later.status == "RECEIVED"
    ended = Round.objects.filter(status="RESOLVED").values_list("resolved_at")
    assert set(ended) == {(NOW + jump,)}


@pytest.fixture
def in_flight(competition, asked):
    """Four rounds that end after NOW, besides those that are due."""
    ends = [(1, 120), (2, 1800), (3, 7200), (4, 50_000)]
    return [
        make_round(
            competition, NOW - minutes * MINUTE, {asked: 1.0}, horizon_s=horizon_s
        )
        for minutes, horizon_s in ends
    ]


@pytest.mark.parametrize("down", [None, ProviderError("what time is it?")], ids=str)
@pytest.mark.parametrize("jump", [*JUMPS, timedelta(days=400)], ids=str)
def test_a_cycle_ahead_of_time_ends_no_round_in_flight(
    in_flight, exchange, at, jump, down
):
    competition = in_flight[0].competition
    exchange.error = down
    with at(NOW + jump):
        for _ in range(3):
            run_cycle(competition_id=competition.pk)
    statuses = [Round.objects.get(pk=round_.pk).status for round_ in in_flight]
    assert statuses == ["RECEIVED"] * 4
    minutes = int(timedelta(days=1) / MINUTE)
    exchange.error = None
    put_candles(NOW, [200.0 + i for i in range(minutes)])
    with at(NOW + timedelta(days=1)):
        assert run_cycle(competition_id=competition.pk).resolved == 4


@pytest.mark.parametrize("jump", [timedelta(hours=6), timedelta(hours=24)], ids=str)
def test_a_round_called_late_by_a_wrong_clock_is_given_its_time_anew(
    competition, asked, exchange, at, jump
):
    round_ = make_round(competition, NOW, {asked: 1.0})
    instants = [jump, 2 * HOUR, 3 * HOUR - MINUTE, 3 * HOUR]
    seen = []
    for instant in instants:
        with at(NOW + instant):
            run_cycle(competition_id=competition.pk)
        round_.refresh_from_db()
        seen.append((round_.status, round_.overdue_at - NOW))
    assert seen == [
        ("RECEIVED", jump),
        ("RECEIVED", 2 * HOUR),
        ("RECEIVED", 2 * HOUR),
        ("UNRESOLVABLE", 2 * HOUR),
    ]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_board_made_ahead_of_time_is_replaced_by_the_next(
    competition, asked, at, jump
):
    with at(NOW + jump):
        run_cycle(competition_id=competition.pk)
    before = Score.objects.count()
    make_round(competition, NOW - 2 * MINUTE, {asked: 1.0})
    assert run_cycle(competition_id=competition.pk).resolved == 1
    assert Score.objects.count() == before + 1
    board = Leaderboard.objects.get(is_newest=True)
    assert board.as_of == NOW + timedelta.resolution
