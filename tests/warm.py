"""Run the project's commands in forks of a process that has loaded the libraries.

A command takes a second and a half to start, most of it for libraries. Nothing of the
project is loaded before the fork: a command reads its environment and settings as ever.
"""

import importlib
import json
import os
import runpy
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# None of them starts a thread, which a fork would lose.
LIBRARIES = (
    *("celery", "click", "cryptography.fernet", "django.contrib.admin.sites"),
    *("django.core.management", "django.db.backends.postgresql.base"),
    *("django_filters", "jsonschema", "numpy", "prometheus_client"),
    *("pydantic_settings", "redis.asyncio", "requests", "rest_framework.compat"),
    *("sqlalchemy.dialects.postgresql", "structlog", "yaml"),
)


def manage(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout_s: float = 240,
) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py` without a terminal in a process of its own; see its end."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    given = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as name:
        out, err = (Path(name) / stream for stream in ("out", "err"))
        asked = {
            "argv": [str(ROOT / "manage.py"), *given],
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd),
            "streams": [os.devnull, str(out), str(err)],
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(server.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                stop()
                raise subprocess.TimeoutExpired(given, timeout_s)
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            given, code, out.read_text(), err.read_text()
        )


@cache
def _server() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # a test's Ctrl-C is not its
    )


def stop() -> None:
    """End the process that forks, if one was started."""
    if _server.cache_info().currsize:
        server = _server()
        _server.cache_clear()
        server.kill()
        server.communicate()


def serve() -> None:
    """Fork for each line that asks for a command, and say how it ended."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in LIBRARIES:
        importlib.import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            become(**json.loads(line))
            return
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(argv: list[str], env: dict[str, str], cwd: str, streams: list[str]) -> None:
    """Go on as a new interpreter that was called with these."""
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = argv
    sys.path[0] = str(ROOT)
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    serve()
