"""What breaks once it is live gives way to the version before."""

import os
from datetime import timedelta

from competitions.local_models import control
from competitions.local_models.control import ModelStatus
from competitions.submissions.check_queue import check_version
from competitions.submissions.going_live import prune_contents, roll_back_broken
from competitions.submissions.site_bench import submitted_folder
from core import clock
from tests.competitions.submissions.conftest import GOOD
from tests.conftest import NOW


def reported(settings, row, state, error=""):
    """Let the orchestrator report a model in a state."""
    told = ModelStatus(
        model_id=row.model_id,
        name=row.model_id,
        cruncher=row.cruncher.cruncher_id,
        state=state,
        error=error,
        restarts=5,
        deployment_id="d",
        code_hash=row.code_hash,
        changed_at=clock.now().isoformat(),
        sandbox="none",
        pid=1,
    )
    control.write_status(settings.MODELS_LOG_DIR, [told])


def live(alice, *texts):
    rows = [alice.submit(text) for text in texts]
    for row in rows:
        check_version(row, check=lambda *_: GOOD)
        row.refresh_from_db()
    return rows


def test_a_new_version_that_is_quarantined_gives_way(alice, settings):
    _, second, third = live(alice, "x = 1", "x = 2", "x = 3")
    reported(settings, third, "RUNNING")
    assert roll_back_broken() == 0
    reported(settings, third, "QUARANTINED", "5 times in a row it ended")
    assert roll_back_broken() == 1
    assert alice.statuses() == ["REPLACED", "LIVE", "REFUSED"]
    third.refresh_from_db()
    assert (third.code, third.reason) == (
        "quarantined_live",
        "5 times in a row it ended",
    )
    main = settings.LOCAL_MODELS_DIR / "mine" / "main.py"
    assert main.read_text() == "x = 2"
    # The one before that is gone: this one stays, and its status says what is wrong.
    reported(settings, second, "QUARANTINED", "5 times")
    assert roll_back_broken() == 0
    assert main.read_text() == "x = 2"


def test_one_that_has_run_for_long_does_not_give_way(alice, settings, at):
    _, second = live(alice, "x = 1", "x = 2")
    reported(settings, second, "QUARANTINED", "5 times")
    with at(NOW + timedelta(hours=2)):
        assert roll_back_broken() == 0


def test_contents_without_a_version_go_after_an_hour(alice):
    row = alice.submit()
    for name, age_s in (("old", 7200), ("new", 60)):
        (submitted_folder() / name).mkdir()
        then = clock.wall_now().timestamp() - age_s
        os.utime(submitted_folder() / name, (then, then))
    os.utime(submitted_folder() / row.content, (1, 1))
    assert prune_contents() == 1
    kept = {folder.name for folder in submitted_folder().iterdir()}
    assert kept == {"new", row.content}
