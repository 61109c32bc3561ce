"""Where the time of rounds went, stage by stage."""

import pytest

from competitions.models import Round
from competitions.timing_report import stage_latencies
from core import clock
from tests import factories

TIMED = {
    "built_us": 200,
    "asked_us": 700,
    "checked_us": 100,
    "waited_us": 0,
    "dispatched_us": 50,
    "skew_us": 5,
    "completed_us": 650,
}
MEASURED = {
    "data_loading": (200, 20.0),
    "pre_model": (50, 5.0),
    "model_execution": (600, 60.0),
    "post_model": (50, 5.0),
    "callback_execution": (100, 10.0),
    "end_to_end": (1000, 100.0),
}


def test_each_stage_is_what_lies_between_its_ends():
    stages = stage_latencies([TIMED])
    assert [stage["step"] for stage in stages] == [*range(1, 10), "total"]
    found = {s["name"]: (s["mean_us"], s["pct_of_total"]) for s in stages if s["count"]}
    assert found == MEASURED


def test_what_nobody_measured_is_unknown_not_zero():
    for timings in ([], [{}], [{"asked_us": 1}]):
        for stage in stage_latencies(timings):
            assert stage["count"] == 0
            assert {stage[key] for key in ("pct_of_total", "mean_us", "p99_us")} == {
                None
            }


def test_percentiles_never_lie_beyond_the_slowest():
    stages = stage_latencies([{"built_us": us} for us in (10, 20, 800, -5)])
    [built] = [stage for stage in stages if stage["count"]]
    assert (built["count"], built["min_us"], built["max_us"]) == (3, 10.0, 800.0)
    assert built["median_us"] == 20.0
    assert 20 < built["p95_us"] <= built["p99_us"] <= 800


@pytest.mark.django_db
def test_the_newest_rounds_count_in_constant_statements(
    client, frozen_clock, django_assert_num_queries
):
    of = factories.running_competition(at=clock.now(), models=2, hours=3)
    Round.objects.update(timing=TIMED)
    newest = Round.objects.first()
    Round.objects.filter(pk=newest.pk).update(timing={})  # missed: it is no sample
    for limit in (1, 5, 12):
        with django_assert_num_queries(2):
            found = client.get("/timing-metrics", {"limit": limit}).json()
        assert found["buffer_size"] == limit
        assert found["total_records"] == limit - 1
        assert len(found["recent_samples"]) == min(limit - 1, 10)
    assert found["enabled"] is True
    sample = found["recent_samples"][0]
    assert (sample["id"], sample["timing"]) == (of.rounds[-2].pk, TIMED)
    assert found["stage_latencies"][-1]["mean_us"] == 1000.0


@pytest.mark.django_db
def test_without_rounds_all_is_empty(client, frozen_clock):
    found = client.get("/timing-metrics").json()
    assert (found["total_records"], found["recent_samples"]) == (0, [])
    assert client.get("/timing-metrics?limit=0").status_code == 422
    assert client.get("/timing-metrics?limit=10001").status_code == 422
