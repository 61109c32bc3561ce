"""A publisher that dies in the middle: the next one finishes."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection

from crunchsite.settings.env import BASE_DIR
from livepool import artifacts
from livepool.models import Release
from tests.livepool.conftest import current, frozen, pool_of
from tests.livepool.release.test_publish import (
    FIRST,
    NEW,
    OLD,
    SECOND,
    publish,
    put,
    read,
)
from tests.waiting import sessions, wait_for


@pytest.fixture(scope="module")
def die(tmp_path_factory):
    """Publish in a process that dies at a step; returns how it ended."""
    with (
        (tmp_path_factory.mktemp("publisher") / "log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.livepool.dying_publisher"],
            cwd=BASE_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "crunchsite.settings.test"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as publisher,
    ):

        def publish_and_die(**case) -> tuple[str, str]:
            before = sessions()
            publisher.stdin.write(json.dumps(case) + "\n")
            publisher.stdin.flush()
            ended = publisher.stdout.readline().strip()
            wait_for(lambda: sessions() <= before)  # it frees the publisher's lock
            log.seek(0)
            return ended, log.read()

        yield publish_and_die


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "step", ["create_release", "write_files", "point_current", "write"]
)
def test_a_killed_publisher_leaves_a_whole_release(die, tmp_path, stores, step, after):
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    folder = put(tmp_path, SECOND, NEW)
    now = artifacts.completed_at(SECOND) + timedelta(hours=3)
    ended, said = die(
        database=connection.settings_dict["NAME"],
        store=str(tmp_path / "store"),
        folder=str(folder),
        step=step,
        after=after,
        now=now.isoformat(),
    )
    assert ended == "9", said
    pool = read(stores)
    published = (step, after) == ("write", True)
    assert pool.source == "fresh_upstream"
    assert pool.symbols == tuple((NEW if published else OLD)[:5])
    assert Release.objects.newest_first().first().status == "PENDING"
    with frozen(now):
        publish(folder, stores, SECOND)
    assert read(stores).symbols == tuple(NEW[:5])
    assert current(stores.releases) == pool_of(SECOND, NEW)
    assert Release.objects.current().as_of_date == SECOND
    assert not list(tmp_path.glob("store/**/.new-*"))
