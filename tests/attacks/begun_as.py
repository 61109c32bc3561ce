"""Begin an orchestrator as another user, or where nobody may make namespaces.

Not between fork and exec of the tests' process: gRPC has threads there, and aborts some
of such forks.
"""

import os
import runpy
import sys
from pathlib import Path

from competitions.local_models import kernel, seccomp


def become(uid):
    """Go on as a user, to whom the folder of a root's own Python is shown."""
    home = Path(sys.base_prefix).resolve()
    barred = [p for p in reversed(home.parents) if not p.stat().st_mode & 0o001]
    if barred:
        kernel.check(kernel.libc.unshare(0x00020000), "unshare mounts")
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        handle = os.open(home, os.O_PATH)
        kernel.mount("tmpfs", barred[0], "tmpfs", 0, "mode=755")
        kernel.bind(handle, home)
        os.close(handle)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forbid_namespaces():
    kernel.libc.prctl(38, 1, 0, 0, 0)  # or only root may set a filter
    seccomp.install()


if __name__ == "__main__":
    uid, namespaces = sys.argv.pop(1), sys.argv.pop(1)
    if uid:
        become(int(uid))
    if not namespaces:
        forbid_namespaces()
    runpy.run_module("competitions.local_models", run_name="__main__", alter_sys=True)
