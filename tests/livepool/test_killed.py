"""A publisher that dies in the middle: the next one finishes."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection

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

CHILD = """
import os, sys
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = {database!r}
from datetime import datetime
from pathlib import Path
from core import clock
from livepool import artifacts
from livepool.release import publish as release
from tests.livepool.conftest import local_stores

stores = local_stores(Path({store!r}))
target = artifacts if {step!r} == "write_files" else (
    stores.documents if {step!r} == "write" else stores.releases)
real = getattr(target, {step!r})

def dying(*args, **kwargs):
    if {after!r}:
        real(*args, **kwargs)
    os._exit(9)

setattr(target, {step!r}, dying)
now = datetime.fromisoformat({now!r})
with clock.use(clock.Frozen(start=now, anchor=now)):
    release.publish(folder=Path({folder!r}), stores=stores)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "step", ["create_release", "write_files", "point_current", "write"]
)
def test_a_killed_publisher_leaves_a_whole_release(tmp_path, stores, step, after):
    publish(put(tmp_path, FIRST, OLD), stores, FIRST)
    folder = put(tmp_path, SECOND, NEW)
    now = artifacts.completed_at(SECOND) + timedelta(hours=3)
    code = CHILD.format(
        database=connection.settings_dict["NAME"],
        store=str(tmp_path / "store"),
        folder=str(folder),
        step=step,
        after=after,
        now=now.isoformat(),
    )
    died = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "crunchsite.settings.test"},
        capture_output=True,
    )
    assert died.returncode == 9, died.stderr.decode()
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
