"""Old scores get their models, in parts, and whatever is killed is done again."""

import re
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import count

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import IntegrityError

from scoring.models import Score
from tests.conftest import NOW
from tests.kills import Killed
from tests.scoring.factories import make_competition, make_models

pytestmark = pytest.mark.django_db(transaction=True)
WITHOUT, WITH = ("scoring", "0007_score_model"), ("scoring", "0008_scores_have_models")
MODELS, ROUNDS = 4, 50
INDEX = "score_order_of_model"
MIGRATION = import_module(f"scoring.migrations.{WITH[1]}")
AT_ONCE = 10


def migrate(*to):
    """Migrate to these; without any to the newest of all apps."""
    executor = MigrationExecutor(connection)
    executor.migrate(to or executor.loader.graph.leaf_nodes())


def ask(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else None


def write_scores(rounds):
    """So many rounds' scores, as a worker of the version before writes them."""
    competition = make_competition(NOW)
    make_models(competition, *(f"m{i}" for i in range(MODELS)))
    ask(
        "INSERT INTO inputs (competition_id, scheduled_prediction_id, slot_at, status,"
        " reason, scope_key, scope_jsonb, raw_data_jsonb, timing_jsonb, received_at)"
        " SELECT %s, %s, %s + n * interval '1 minute', 'VOID', '', 'btc-60', '{}',"
        " '{}', '{}', %s FROM generate_series(1, %s) AS n",
        *(competition.pk, competition.scheduled_predictions.get().pk),
        *(NOW, NOW, rounds),
    )
    ask(
        "INSERT INTO predictions (input_id, model_id, outcome, reason,"
        " inference_output_jsonb, performed_at, meta_jsonb)"
        " SELECT round.id, model.id, 'ANSWERED', '', '{}', %s, '{}'"
        " FROM inputs AS round CROSS JOIN models AS model",
        NOW,
    )
    add_score("SELECT id, 1 FROM predictions")


def add_score(select):
    ask(
        "INSERT INTO scores (prediction_id, scoring_version, value, success,"
        " failed_reason, result_jsonb, scored_at)"
        f" SELECT prediction, version, 1.0, true, '', '{{}}', %s"
        f" FROM ({select}) AS new(prediction, version)",
        NOW,
    )


def wrong():
    """How many scores have no model, or another than their prediction."""
    ((found,),) = ask(
        "SELECT count(*) FROM scores AS score JOIN predictions AS prediction"
        " ON prediction.id = prediction_id"
        " WHERE score.model_id IS DISTINCT FROM prediction.model_id"
    )
    return found


def is_indexed():
    return ask(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", INDEX
    ) == [(True,)]


@pytest.fixture
def before():
    """The schema as it was while scores had no model; whole again afterwards."""
    migrate(WITHOUT)
    yield
    ask("DELETE FROM scores")  # a test that failed has left what cannot be filled
    migrate()


@contextmanager
def before_each(*words, do):
    """Call `do(number)` before each statement that begins with one of these words."""
    numbers = count(1)

    def wrapped(execute, sql, *rest):
        if any(re.search(rf"\b{word}\b.*\bscores\b", sql, re.DOTALL) for word in words):
            do(next(numbers))
        return execute(sql, *rest)

    with connection.execute_wrapper(wrapped):
        yield


def dies_at(wanted, *words):
    """Migrate, but be killed before that statement; returns how much was wrong then."""

    def die(number):
        if number == wanted:
            raise Killed

    with before_each(*words, do=die), suppress(Killed):
        migrate(WITH)
        return None
    return wrong()


@pytest.mark.usefixtures("before")
def test_a_fill_that_is_killed_keeps_its_parts_and_is_run_again(monkeypatch):
    monkeypatch.setattr(MIGRATION, "AT_ONCE", AT_ONCE)
    write_scores(ROUNDS)
    half = ROUNDS * MODELS // 2
    assert dies_at(1 + half // AT_ONCE, "UPDATE") == half
    migrate(WITH)
    assert wrong() == 0
    assert is_indexed()


@pytest.mark.usefixtures("before")
def test_whatever_it_is_killed_at_it_is_run_again():
    write_scores(3)
    for step in count(1):
        ask("UPDATE scores SET model_id = NULL")
        if dies_at(step, "UPDATE", "ALTER TABLE", "INDEX") is None:
            break
        migrate(WITH)
        assert (wrong(), is_indexed()) == (0, True)
        migrate(WITHOUT)
    assert step > 7


@pytest.mark.usefixtures("before")
def test_no_lock_is_held_from_part_to_part():
    write_scores(3)
    other = connection.copy()
    written = []

    def write(number):
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            cursor.execute("UPDATE scores SET value = %s", [number])
            written.append(cursor.rowcount)

    try:
        with before_each("UPDATE", "ALTER TABLE", "INDEX", do=write):
            migrate(WITH)
    finally:
        other.close()
    assert len(written) > 7
    assert set(written) == {3 * MODELS}


@pytest.mark.usefixtures("before")
def test_a_worker_of_the_version_before_writes_no_score_without_a_model():
    write_scores(2)
    late = []

    def write(number):
        if number == 1:  # all that was there is filled
            add_score("SELECT id, 2 FROM predictions")
            late.append(number)

    with before_each("ALTER TABLE", do=write):
        migrate(WITH)
    assert late == [1]
    assert (wrong(), Score.objects.count()) == (0, 4 * MODELS)
    with pytest.raises(IntegrityError):
        add_score("SELECT id, 3 FROM predictions")
