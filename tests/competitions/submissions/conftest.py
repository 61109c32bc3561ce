"""A competition that takes submissions, and two crunchers."""

import io
import os
from collections import Counter

import pytest

from competitions.check_model.checkup import Checkup
from competitions.local_models import control
from competitions.models import SubmittedVersion
from competitions.submissions.receiving import receive
from competitions.submissions.site_bench import site_bench
from crunchsite.keys.issuing import account_of
from tests import factories

GOOD = Checkup(limit_ms=5000.0, sandbox="none", setup_s=0.1, rounds=40, answered=40)
RAISES = Checkup(
    limit_ms=5000.0,
    sandbox="none",
    setup_s=0.1,
    rounds=40,
    problems=Counter({"ValueError: no (main.py:5)": 40}),
)


class Desk:
    """What a cruncher does: submit versions and look at them."""

    def __init__(self, cruncher):
        self.cruncher = cruncher

    def submit(self, text="x = 1", model_id="mine", name="mine.py", **options):
        file = text if hasattr(text, "read") else io.BytesIO(text.encode())
        return receive(
            cruncher=self.cruncher,
            file=file,
            file_name=name,
            model_id=model_id,
            user=account_of("test"),
            **options,
        )

    def statuses(self, model_id="mine"):
        rows = SubmittedVersion.objects.filter(model_id=model_id).order_by("version")
        return [row.status for row in rows]


@pytest.fixture
def site(settings, tmp_path, db, frozen_clock):
    """Folders of local models beside an orchestrator, whose bench seems to work."""
    settings.LOCAL_MODELS_DIR = tmp_path / "models"
    settings.MODELS_LOG_DIR = tmp_path / "log"
    settings.LOCAL_MODELS_DIR.mkdir()
    settings.ENV = settings.ENV.model_copy(
        update={"model_runner_node_host": str(tmp_path / "o.sock")}
    )
    control.touch_heartbeat(site_bench().logs)
    return tmp_path


@pytest.fixture
def crunchers(site, frozen_clock):
    """Alice and bram, by name."""
    competition = factories.competition()
    models = factories.participants(competition, 2, at=frozen_clock)
    return {model.cruncher.cruncher_id: Desk(model.cruncher) for model in models}


@pytest.fixture
def alice(crunchers):
    return crunchers["cr-alice"]


@pytest.fixture
def bram(crunchers):
    return crunchers["cr-bram"]


def silence(site):
    """Let the bench's orchestrator have worked last an hour ago."""
    beat = site_bench().logs / control.HEARTBEAT_FILE
    then = beat.stat().st_mtime - 3600
    os.utime(beat, (then, then))
