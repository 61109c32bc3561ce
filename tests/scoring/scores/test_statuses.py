from datetime import timedelta
from types import SimpleNamespace

import pytest

from competitions.models import Prediction, Round
from scoring.models import Score
from scoring.scores.statuses import progress_of, with_progress
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round

MINUTE = timedelta(minutes=1)
VIEWER = SimpleNamespace(is_active=True, is_staff=True, has_perm=lambda _: True)


@pytest.fixture
def round_(competition):
    models = make_models(competition, "a", "b", "c")
    answers = dict(zip(models, (0.5, None, "it crashed"), strict=True))
    return make_round(competition, NOW - 5 * MINUTE, answers)


def progress(user=VIEWER):
    rows = Prediction.objects.order_by("model__model_id")
    return progress_of(with_progress(rows, user))


def end(round_, **facts):
    Round.objects.filter(pk=round_.pk).update(
        **{"resolved_at": NOW, "actuals": {"return": 0.25}, **facts}
    )


def score(**facts):
    prediction = Prediction.objects.get(outcome="ANSWERED")
    return Score.objects.create(
        prediction=prediction, model=prediction.model, scored_at=NOW, **facts
    )


def stages():
    return [(each.status, each.stage, each.explanation) for each in progress()]


ABSENT = ("ABSENT", "absent", "gave no answer")
FAILED = ("FAILED", "failed", "it crashed")


def test_an_answer_waits_for_its_truth_and_then_for_its_score(round_):
    assert stages() == [("PENDING", "pending", ""), ABSENT, FAILED]
    assert [each.expected_at for each in progress()] == [
        round_.resolvable_at,
        None,
        None,
    ]
    end(round_, status="RESOLVED")
    follows = "the truth is known; scores follow"
    assert stages() == [("PENDING", "pending", follows), ABSENT, FAILED]
    assert progress()[0].expected_at is None


def test_the_score_that_counts_decides(round_):
    end(round_, status="RESOLVED")
    score(scoring_version=1, success=False, failed_reason="no number")
    assert stages()[0] == ("FAILED", "failed", "no number")
    newest = score(scoring_version=2, success=True, value=3.0)
    assert stages() == [("SCORED", "scored", ""), ABSENT, FAILED]
    [scored, *_] = progress()
    assert (scored.score, scored.truth) == (newest, 0.25)


@pytest.mark.parametrize("status", ["VOID", "UNRESOLVABLE"])
def test_a_round_without_scores_gives_its_answers_its_own_reason(round_, status):
    score(success=True, value=3.0)
    stage = status.lower()
    end(round_, status=status, reason=f"{stage}: the exchange was closed")
    assert stages() == [("FAILED", stage, "the exchange was closed"), ABSENT, FAILED]
    assert progress()[0].score is None


def test_a_page_costs_two_statements(round_, django_assert_num_queries):
    with django_assert_num_queries(2):
        stages()
