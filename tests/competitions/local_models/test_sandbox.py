"""What a model can reach from inside its sandbox."""

import os
import tempfile
import uuid
from pathlib import Path

import pytest

from competitions.local_models.sandbox import strongest_level
from tests.competitions.gateway.conftest import ask, wait_live

CURIOUS = """
import os, socket
from pathlib import Path
from tracker import TrackerBase

def attempt(work):
    try:
        return str(work())
    except BaseException as error:
        return f"{type(error).__name__}"

class Curious(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":\\t", 1) for line in status.splitlines())
        here = Path(__file__).parent
        return {
            "uid": os.getuid(),
            "capabilities": int(fields["CapEff"], 16),
            "no_new_privileges": fields["NoNewPrivs"],
            "processes": sum(p.name.isdigit() for p in Path("/proc").iterdir()),
            "secret": attempt(lambda: Path(SECRET).read_text()),
            "neighbour": attempt(lambda: (here.parent / "steady/main.py").exists()),
            "network": attempt(lambda: socket.create_connection(("127.0.0.1", PORT))),
            "own_file": attempt(lambda: (here / "weights.txt").read_text()),
            # Where it works it is an edit, and an edit restarts the model.
            "own_folder": READ_ONLY and attempt(
                lambda: (here / "new.txt").write_text("x")
            ),
            "scratch": attempt(lambda: Path(SCRATCH).write_text("x")),
            "memory": attempt(lambda: len(bytearray(3 * 2**30))),
            "imports": attempt(lambda: __import__("statistics").fmean([1, 2])),
            "numbers": attempt(lambda: __import__("numpy").float64(1)),
        }
"""


def look_around(local_models, tmp_path, level):
    secret = tmp_path / "secret.txt"
    secret.write_text("database password")
    secret.chmod(0o600)
    scratch = Path(tempfile.gettempdir()) / f"scratch-{uuid.uuid4().hex}"
    head = (
        f"SECRET, PORT = {str(secret)!r}, {local_models.port}\n"
        f"SCRATCH, READ_ONLY = {str(scratch)!r}, {level == 2 or os.geteuid() == 0}\n"
    )
    local_models.write("curious", head + CURIOUS)
    (local_models.models / "curious" / "weights.txt").write_text("mine")
    local_models.write("steady")
    local_models.start("--level", str(level))
    gateway = local_models.gateway()
    wait_live(gateway, "curious", "steady")
    answer = ask(gateway, ["curious"])["curious"]
    assert answer.outcome == "ANSWERED", answer.reason
    reached = scratch.exists()
    scratch.unlink(missing_ok=True)
    return {**answer.result, "scratch_reached_outside": reached}


@pytest.mark.skipif(strongest_level() < 2, reason="namespaces are not available here")
def test_level_2_shows_nothing_but_the_model(local_models, tmp_path):
    seen = look_around(local_models, tmp_path, 2)

    assert seen["network"] in ("OSError", "ConnectionRefusedError")
    assert seen["processes"] == 1
    assert seen["secret"] == "FileNotFoundError"
    assert seen["neighbour"] == "False"
    assert seen["own_folder"] in ("OSError", "PermissionError")
    assert seen["scratch"] == "1"
    assert not seen["scratch_reached_outside"]
    holds_at_any_level(seen)


def test_level_1_limits_the_process(local_models, tmp_path):
    seen = look_around(local_models, tmp_path, 1)

    if os.geteuid() == 0:
        assert seen["secret"] == "PermissionError"
        assert seen["own_folder"] == "PermissionError"
    holds_at_any_level(seen)


def holds_at_any_level(seen):
    if os.geteuid() == 0:
        assert seen["uid"] not in (0, os.getuid())
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["memory"] == "MemoryError"
    assert seen["own_file"] == "mine"
    assert (seen["imports"], seen["numbers"]) == ("1.5", "1.0")


def test_the_level_is_stated(local_models):
    local_models.write("steady")
    local_models.start("--level", "1")
    wait_live(local_models.gateway(), "steady")

    assert "sandbox=1" in local_models.output.read_text()
