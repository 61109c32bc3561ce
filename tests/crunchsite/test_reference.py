"""Every address of the reference coordinator: its keys, limits and orders.

The table below is compared with the one in docs/integrator/api.md.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.conf import settings

from feeds import backfill_jobs
from feeds.tape.records import FeedKey
from tests.conftest import NOW
from tests.crunchsite.test_report_ui import world as world  # noqa: PLC0414  a fixture
from tests.scoring.factories import put_candles

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

SCHEMA = settings.BASE_DIR / "docs" / "integrator" / "openapi.json"
PAGE = settings.BASE_DIR / "docs" / "integrator" / "api.md"
FIGURES = {"score_recent", "score_steady", "score_anchor", "ic", "hit_rate"}
SUMMARY = {"value", "ic", "hit_rate", "model_correlation", "fnc"}
EXCLUSION = {"excluded_at", "exclusion_reason"}
RANGE = "projectIds start end include_ensembles"


@dataclass(frozen=True)
class Reference:
    """What the reference gives at an address, and what we give beside it.

    `limits` are the default and the most, there; `ours` the same here, where they are
    others. `order` names the keys by which rows ascend; with a minus, descend.
    """

    keys: str
    own: frozenset[str] | set[str] = frozenset()
    query: str = ""
    limits: tuple[int, int] | None = None
    ours: tuple[int, int] | None = None
    order: str = ""
    is_one: bool = False


MODEL = "model_id model_name cruncher_name cruncher_id deployment_id"
CHECKPOINT = (
    "id period_start period_end status entries meta created_at tx_hash submitted_at"
)
PRIZES = "checkpoint_id status period_start period_end total_prize prizes"
FEED = (
    "source subject kind granularity record_count oldest_ts newest_ts watermark_ts "
    "watermark_updated_at"
)
JOB = (
    "id source subject kind granularity start_ts end_ts cursor_ts records_written "
    "pages_fetched status error created_at updated_at"
)
JOB_OWN = {"sink", "records_refused", "progress_pct"}
COLUMN = "id type property format displayName tooltip nativeConfiguration order"
WIDGET = "id type displayName tooltip order endpointUrl nativeConfiguration"
LATENCY = "name step pct_of_total count mean_us median_us min_us max_us p95_us p99_us"

READS = {
    "/healthz": Reference("status version", is_one=True),
    "/info": Reference("crunch_id crunch_address network", is_one=True),
    "/reports/schema": Reference(
        "schema_version leaderboard_columns metrics_widgets", is_one=True
    ),
    "/reports/schema/leaderboard-columns": Reference(COLUMN, order="order"),
    "/reports/schema/metrics-widgets": Reference(WIDGET),
    "/reports/models": Reference(
        MODEL, EXCLUSION | {"state", "is_virtual"}, ours=(1000, 5000)
    ),
    "/reports/leaderboard": Reference(
        "created_at model_id score_metrics score_ranking rank model_name cruncher_name",
        FIGURES | EXCLUSION,
        query="include_ensembles",
        ours=(1000, 5000),
        order="rank",
    ),
    "/reports/models/global": Reference(
        "model_id score_metrics score_ranking performed_at",
        FIGURES | SUMMARY,
        query=RANGE,
    ),
    "/reports/models/params": Reference(
        "model_id score_metrics score_ranking performed_at scope_key scope",
        FIGURES,
        query=RANGE,
    ),
    "/reports/models/metrics": Reference(
        "model_id performed_at prediction_count",
        SUMMARY,
        query=RANGE,
        ours=(1000, 10_000),
        order="performed_at",
    ),
    "/reports/models/summary": Reference(
        "model_id", SUMMARY | {"prediction_count", "performed_at"}, query=RANGE
    ),
    "/reports/models/{model_id}/diversity": Reference(
        "model_id rank diversity_score metrics guidance snapshot_period_end",
        is_one=True,
    ),
    "/reports/diversity": Reference(
        "model_id period_end model_correlation ensemble_correlation contribution fnc "
        "diversity_score ic",
        limits=(50, 200),
        ours=(100, 1000),
        order="-diversity_score",
    ),
    "/reports/ensemble/history": Reference(
        "ensemble_name model_id period_start period_end prediction_count",
        SUMMARY,
        query="ensemble_name since until",
        limits=(100, 500),
        order="period_end",
    ),
    "/reports/predictions": Reference(
        "model_id prediction_config_id scope_key scope score_value score_failed "
        "score_failed_reason scored_at performed_at",
        query="projectIds start end",
        ours=(1000, 10_000),
        order="performed_at",
    ),
    "/reports/feeds": Reference(FEED),
    "/reports/feeds/tail": Reference(
        "source subject kind granularity ts_event ts_ingested values meta",
        {"is_closed"},
        query="source subject kind granularity",
        limits=(20, 200),
        order="-ts_event",
    ),
    "/reports/snapshots": Reference(
        "id model_id period_start period_end prediction_count result_summary "
        "created_at",
        query="model_id since until",
        limits=(100, 1000),
        order="-period_start",
    ),
    "/reports/checkpoints": Reference(
        CHECKPOINT, query="status", limits=(20, 100), order="-period_end"
    ),
    "/reports/checkpoints/latest": Reference(CHECKPOINT, is_one=True),
    "/reports/checkpoints/rewards": Reference(
        "checkpoint_id period_start period_end model_id model_name rank reward_pct "
        "prediction_count",
        {"value"},
        query="model_id",
        limits=(20, 100),
        order="period_end rank",
    ),
    "/reports/checkpoints/{id}/payload": Reference(
        "checkpoint_id period_start period_end entries", is_one=True
    ),
    "/reports/checkpoints/{id}/emission": Reference(
        "crunch cruncher_rewards compute_provider_rewards data_provider_rewards",
        is_one=True,
    ),
    "/reports/checkpoints/{id}/emission/cli-format": Reference(
        "crunch crunchEmission computeProvider dataProvider", is_one=True
    ),
    "/reports/checkpoints/{id}/prizes": Reference(
        "prizeId timestamp model prize", query="total_prize"
    ),
    "/reports/checkpoints/latest/prizes": Reference(
        PRIZES, query="total_prize", is_one=True
    ),
    "/reports/emissions/latest": Reference(
        "checkpoint_id status period_start period_end emission", is_one=True
    ),
    "/reports/backfill/feeds": Reference(FEED),
    "/reports/backfill/jobs": Reference(
        JOB, JOB_OWN, query="status", limits=(100, 100), ours=(100, 1000)
    ),
    "/reports/backfill/jobs/{job_id}": Reference(JOB, JOB_OWN, is_one=True),
    "/data/backfill/index": Reference("path records size_bytes date"),
    "/timing-metrics": Reference(
        "enabled buffer_size total_records stage_latencies recent_samples",
        query="limit",
        limits=(1000, 10_000),
        is_one=True,
    ),
}
# Their shapes are those of their own tests.
ELSEWHERE = {
    "POST /reports/checkpoints/{id}/confirm",
    "PATCH /reports/checkpoints/{id}/status",
    "POST /reports/backfill",
    "GET /data/backfill/{source}/{subject}/{kind}/{granularity}/{filename}",
    "GET /reports/merkle/cycles",
    "GET /reports/merkle/cycles/{cycle_id}",
    "GET /reports/merkle/proof",
    "POST /tournament/rounds/{round_id}/inference",
    "POST /tournament/rounds/{round_id}/score",
    "GET /tournament/rounds/{round_id}/status",
    "GET /openapi.json",
    "GET /docs",
    "GET /redoc",
}


@pytest.fixture
def answered(client, world, tape):
    """`answered(path, **query)` is the answer of a reference's address."""
    put_candles(world.competition.created_at, [1.0, 2.0])
    feed = FeedKey("simulated", "BTCUSDT", "candle", "1m")
    job = backfill_jobs.start(key=feed, start_at=NOW - timedelta(hours=2), end_at=NOW)
    names = {
        "model_id": world.models[0].model_id,
        "id": world.checkpoints[0],
        "job_id": job.pk,
    }

    def ask(path, **query):
        return client.get(path.format_map(names), query)

    return ask


def rows_of(answer, reference):
    body = answer.json()
    return [body] if reference.is_one else body


def test_each_address_has_the_references_keys_limits_and_order(answered):
    wrong = {}
    for path, reference in READS.items():
        answer = answered(path)
        if answer.status_code != 200:
            wrong[path] = answer.content
            continue
        rows = rows_of(answer, reference)
        if not rows and path != "/data/backfill/index":
            wrong[path] = "has no rows"
        for row in rows:
            own = row.keys() - set(reference.keys.split())
            lacking = set(reference.keys.split()) - row.keys()
            if lacking or own - reference.own:
                wrong[path] = (lacking, own)
        for key in reversed(reference.order.split()):
            values = [row[key.lstrip("-")] for row in rows]
            known = [value for value in values if value is not None]
            if " " not in reference.order and known != sorted(
                known, reverse=key.startswith("-")
            ):
                wrong[path] = ("order", key, values)
    assert wrong == {}


def test_each_limit_is_the_references_or_the_one_that_is_told(answered):
    wrong = {}
    for path, reference in READS.items():
        limits = reference.ours or reference.limits
        if limits is None:
            continue
        statuses = [
            answered(path, limit=limit).status_code
            for limit in (limits[1], limits[1] + 1, 0)
        ]
        if statuses != [200, 422, 422]:
            wrong[path] = statuses
    assert wrong == {}


def parameters():
    """Return the parameters of each read of the schema, by their names."""
    schema = json.loads(SCHEMA.read_text())
    return {
        path.replace("{checkpoint_id}", "{id}"): {
            each["name"]: each["schema"]
            for each in operations.get("get", {}).get("parameters", [])
        }
        for path, operations in schema["paths"].items()
    }


def test_each_parameter_of_the_reference_is_taken():
    taken = parameters()
    for path, reference in READS.items():
        assert set(reference.query.split()) <= taken[path].keys(), path
        if limits := reference.ours or reference.limits:
            limit = taken[path]["limit"]
            assert (limit["default"], limit["maximum"]) == limits, path


def test_the_page_tells_of_each_address():
    table = PAGE.read_text().partition("### Address by address")[2]
    told = set(re.findall(r"^\| `(\w+ /[^`]*)` \|", table, re.MULTILINE))
    assert told == {f"GET {path}" for path in READS} | ELSEWHERE
