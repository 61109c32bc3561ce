"""`as_of` shows what a reader had seen just before an instant, as the docs say."""

from datetime import timedelta

import pytest

from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def ids(page):
    return [row["id"] for row in page["results"]]


def test_a_score_counts_until_a_rescoring_replaces_it(world, asked):
    first = Score.objects.order_by("pk").first()
    again = Score.objects.create(
        prediction=first.prediction,
        model=first.model,
        scoring_version=2,
        value=-1.0,
        success=True,
        scored_at=NOW,
    )
    rest = set(Score.objects.values_list("pk", flat=True)) - {first.pk, again.pk}
    assert set(ids(asked("scores", limit=1000))) == {*rest, again.pk}
    assert set(ids(asked("scores", limit=1000, as_of=NOW.isoformat()))) == {
        *rest,
        first.pk,
    }
    both = asked("scores", limit=1000, include_superseded="true")
    assert set(ids(both)) == {*rest, first.pk, again.pk}


def test_scores_of_a_later_instant_are_not_seen(world, asked):
    middle = Score.objects.order_by("scored_at")[5].scored_at
    seen = ids(asked("scores", limit=1000, as_of=middle.isoformat()))
    early = Score.objects.filter(scored_at__lt=middle)
    assert set(seen) == set(early.values_list("pk", flat=True))
    seen = asked("scores", as_of=middle.isoformat(), include_superseded=True)
    assert set(ids(seen)) == set(early.values_list("pk", flat=True))


def test_a_prediction_is_seen_once_it_was_asked_for(world, asked):
    asked_at = world.rounds[3].performed_at
    seen = asked("predictions", limit=1000, as_of=asked_at.isoformat())["results"]
    assert {row["round_id"] for row in seen} == {r.pk for r in world.rounds[:3]}


def test_an_ensembles_answer_is_seen_once_its_round_was_resolved(world, asked, blended):
    round_ = world.rounds[3]
    made, millisecond = blended(round_), timedelta(milliseconds=1)
    for at, is_seen in (
        (round_.performed_at + millisecond, False),
        (round_.resolved_at, False),
        (round_.resolved_at + millisecond, True),
    ):
        seen = ids(asked("predictions", limit=1000, as_of=at.isoformat()))
        assert (made.pk in seen) is is_seen


def test_a_snapshot_is_seen_as_it_stood_before_a_correction(world, asked):
    closed = Snapshot.objects.filter(is_closed=True)
    closed.update(updated_at=NOW - timedelta(minutes=30))
    old = closed.first()
    Snapshot.objects.filter(pk=old.pk).update(superseded_at=NOW)
    new = Snapshot.objects.get(pk=old.pk)
    new.pk, new.revision, new.superseded_at, new.updated_at = None, 1, None, NOW
    new.save(force_insert=True)
    now = ids(asked("snapshots", limit=1000))
    assert (new.pk in now, old.pk in now) == (True, False)
    then = ids(asked("snapshots", limit=1000, as_of=NOW.isoformat()))
    assert (new.pk in then, old.pk in then) == (False, True)
    assert len(then) == closed.exclude(pk=new.pk).count()  # the open ones are left out
    before = (NOW - timedelta(minutes=30)).isoformat()
    assert asked("snapshots", as_of=before)["results"] == []


def test_a_board_is_the_last_one_kept_before(world, asked):
    kept = Leaderboard.objects.get(is_newest=False)
    line = world.board.entries.first()
    line.pk, line.leaderboard, line.rank = None, kept, 7
    line.save(force_insert=True)
    assert len(asked("leaderboard")["results"]) == 3
    then = asked("leaderboard", as_of=NOW.isoformat())["results"]
    assert [row["rank"] for row in then] == [7]
    assert asked("leaderboard", as_of=kept.as_of.isoformat())["results"] == []


def test_a_payout_is_seen_once_it_was_made(world, asked):
    newest, older = world.checkpoints
    as_of = newest.created_at.isoformat()
    assert ids(asked("checkpoints", as_of=as_of)) == [older.pk]
    rewards = asked("rewards", as_of=as_of)["results"]
    assert {row["checkpoint_id"] for row in rewards} == {older.pk}


def test_a_release_is_seen_once_it_was_published(world, asked):
    seen = asked("releases", as_of="2026-02-28T01:00:00Z")["results"]
    assert [row["as_of_date"] for row in seen] == ["2026-01-28"]
