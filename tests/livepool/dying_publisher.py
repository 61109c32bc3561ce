"""Publishes in processes that die at a given step: one for each line of input.

They are forks of this one, which has loaded everything; each line is the keywords of
`publish_and_die` as JSON, and is answered by how that process ended.
"""

import json
import os
import sys
import traceback
from datetime import datetime
from pathlib import Path

import django

from core import clock


def publish_and_die(
    *, database: str, store: str, folder: str, step: str, after: bool, now: str
) -> None:
    """Publish to a local store; the process ends with 9 before the step, or after."""
    from django.db import connections

    from livepool import artifacts
    from livepool.release import publish as release
    from tests.livepool.conftest import local_stores

    connections["default"].settings_dict["NAME"] = database
    stores = local_stores(Path(store))
    targets = {"write_files": artifacts, "write": stores.documents}
    target = targets.get(step, stores.releases)
    real = getattr(target, step)

    def dying(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        os._exit(9)

    setattr(target, step, dying)
    at = datetime.fromisoformat(now)
    with clock.use(clock.Frozen(start=at, anchor=at)):
        release.publish(folder=Path(folder), stores=stores)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is logged is no answer
    django.setup()
    from livepool.release import publish  # noqa: F401  loaded once for all forks

    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                publish_and_die(**json.loads(line))
            except Exception:  # noqa: BLE001  told in the log, never in the fork's parent
                traceback.print_exc()
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    main()
