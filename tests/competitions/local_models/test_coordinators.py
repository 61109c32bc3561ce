"""Reports of coordinators are checked, and valid ones are applied."""

import json

from websockets.sync.client import unix_connect

from tests.competitions.local_models.conftest import row_of, run_one, state_of
from tests.waiting import wait_for


def test_invalid_reports_are_skipped_and_valid_ones_applied(local_models):
    run_one(local_models)
    sensible = {"model_id": "model", "failure_code": "MULTIPLE_FAILED"}
    reports = [7, {"model_id": ["model"]}, {**sensible, "failure_code": 1}]
    frames = (
        "[" * 100_000,
        '{"event": "report_failure", "data": 7}',
        json.dumps({"event": "report_failure", "data": [*reports, None] * 1_000}),
        json.dumps(
            {
                "event": "report_failure",
                "data": [{**sensible, "failure_reason": "\0" * 10_000}],
            }
        ),
    )
    with unix_connect(str(local_models.socket), "ws://localhost/test") as link:
        for frame in frames:
            link.send(frame)
        wait_for(lambda: state_of(local_models, "model") == "QUARANTINED")

    error = row_of(local_models, "model").error
    assert error.startswith("MULTIPLE_FAILED: \ufffd\ufffd")
    assert len(error) == 2_000
    assert max(map(len, local_models.output.read_text().splitlines())) < 5_000
    assert local_models.output.read_text().count("bad_") == 3
