"""The commands of the parts that `manage.py up` starts, and the port of the site."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from competitions.local_models.hidden_folders import CANDIDATES_SOCKET
from crunchsite.stack.errors import StackError


def models_command(orchestrator_socket: Path, *, level: int, crunch: str) -> list[Any]:
    """Return the command of the local models, served at `orchestrator_socket`."""
    return [
        *(sys.executable, "-m", "competitions.local_models"),
        *("--models", settings.LOCAL_MODELS_DIR),
        *("--socket", orchestrator_socket, "--level", str(level)),
        *("--candidates-socket", orchestrator_socket.with_name(CANDIDATES_SOCKET)),
        *("--crunch-id", crunch),
        *("--logs", settings.MODELS_LOG_DIR),
    ]


def worker_command() -> list[Any]:
    """Return the command of the one worker, with Beat."""
    return [
        *(_script("celery"), "-A", "crunchsite", "worker", "-B"),
        # There is no other worker to communicate with.
        *("--without-mingle", "--without-gossip", "-l", "WARNING"),
    ]


def web_command(port: int) -> list[Any]:
    """Return the command of the web server; `tests/attacks` runs it too."""
    return [
        *(_script("waitress-serve"), "--threads=8"),
        *("--connection-limit=1000", "--max-request-body-size=67108864"),
        f"--listen=127.0.0.1:{port}",
        "crunchsite.wsgi:application",
    ]


def _script(name: str) -> Path:
    return Path(sys.executable).parent / name


def check_port(port: int) -> None:
    """Raise StackError if the site cannot listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port} cannot be used ({error.strerror}); "
                "free it, or choose another with PORT=8001."
            ) from None


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
