"""A period's sums are those that a board makes of the same snapshots with SQL."""

import dataclasses
from datetime import timedelta

import numpy as np

from competitions.contract import CrunchConfig
from core.grid import Period
from scoring.board.period_sums import Counted, read_period
from scoring.board.window_sums import read_sums
from scoring.metrics.parts import WIDTH
from scoring.models import Snapshot
from tests.conftest import NOW
from tests.scoring.factories import make_models

HOUR = timedelta(hours=1)
DAY = Period(NOW - 24 * HOUR, NOW)
CONFIG = CrunchConfig()


def some_snapshots(competition):
    """A day and an hour on each side, with unknown values, texts and missing parts."""
    draw = np.random.default_rng(7)
    models = make_models(competition, *"abc")
    kinds = [0.25, None, "many", -1.5]
    Snapshot.objects.bulk_create(
        [
            Snapshot(
                model=model,
                period_start=NOW + (hour - 1) * HOUR,
                period_end=NOW + hour * HOUR,
                prediction_count=int(draw.integers(0, 5)),
                expected_count=5,
                value=value,
                result_summary={"value": value, "ic": kinds[draw.integers(4)]},
                parts=draw.normal(size=WIDTH if hour % 3 else 9).tolist(),
                content_hash="",
                is_closed=True,
                created_at=NOW,
                updated_at=NOW,
            )
            for model in models[:2]
            for hour in range(-24, 2)
            for value in [None if draw.random() < 0.3 else float(draw.normal())]
        ]
    )
    return models


def test_the_sums_are_those_of_a_window_as_long(competition):
    some_snapshots(competition)
    found = read_period(competition, CONFIG, DAY).sums
    windowed = read_sums(
        competition, CONFIG, [DAY.start], DAY.end, "AND period_end <= %s", DAY.end
    )
    for field in dataclasses.fields(windowed):
        np.testing.assert_allclose(
            getattr(found, field.name),
            getattr(windowed, field.name),
            rtol=1e-12,
            err_msg=field.name,
        )


def test_each_model_has_its_counts_and_the_most_rounds_of_each_hour_count(competition):
    one, two, _ = some_snapshots(competition)
    Snapshot.objects.filter(model=two, period_end=NOW).update(prediction_count=8)
    found = read_period(competition, CONFIG, DAY)
    ended = Snapshot.objects.filter(period_end__gt=DAY.start, period_end__lte=DAY.end)
    scored = {
        model: sum(ended.filter(model=model).values_list("prediction_count", flat=True))
        for model in (one.pk, two.pk)
    }
    assert {key: each[:2] for key, each in found.counted.items()} == {
        one.pk: (24, scored[one.pk]),
        two.pk: (24, scored[two.pk]),
    }
    assert found.rounds == 23 * 5 + 8


def test_a_period_without_snapshots_has_no_sums(competition):
    found = read_period(competition, CONFIG, DAY)
    assert (found.counted, found.rounds, found.sums.values.shape) == ({}, 0, (0, 1))


def test_one_value_has_no_error_and_equal_values_have_none_left(competition):
    (model,) = make_models(competition, "a")
    for hour, seen in ((1, Counted(1, 3, None)), (2, Counted(2, 6, 0.0))):
        Snapshot.objects.create(
            model=model,
            period_start=NOW - hour * HOUR,
            period_end=NOW - (hour - 1) * HOUR,
            prediction_count=3,
            value=0.5,
            content_hash="",
            created_at=NOW,
            updated_at=NOW,
        )
        assert read_period(competition, CONFIG, DAY).counted == {model.pk: seen}
