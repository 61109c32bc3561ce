"""A site on a recorded market, in a folder of its own."""

import os
import signal

import pytest

from crunchsite.stack import leftovers
from tests.e2e.conftest import tmp_path  # noqa: F401  one that PostgreSQL's user reaches
from tests.faults.site import Site


@pytest.fixture(autouse=True)
def _terminal():
    """Let a closed terminal reach what a test starts, under nohup too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def make_site(tmp_path):  # noqa: F811
    """Make a site that is not started yet; nothing of it is left after the test."""
    made = []

    def make(folder=tmp_path, **env):
        made.append(Site(folder, **env))
        return made[-1]

    yield make
    for site in made:
        if site.process is not None and site.process.poll() is None:
            os.kill(site.process.pid, signal.SIGKILL)
            site.process.wait()
        leftovers.end(site.var)


@pytest.fixture
def site(make_site):
    return make_site()
