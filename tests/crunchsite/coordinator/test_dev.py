"""`coordinator dev`: a node's site starts, is verified, and ends as a whole."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from competitions import packs
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace
from tests.e2e.conftest import ROOT, tmp_path  # noqa: F401  below the project
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def node(tmp_path, monkeypatch):  # noqa: F811  the fixture imported above
    monkeypatch.setattr("competitions.scaffold.vendor.copy_engine", lambda target: None)
    answers = parse_answers({"name": "hot-days", "layout": "base"})
    Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)
    return tmp_path / "hot-days" / "node"


@pytest.fixture
def dev(node):
    """Start `coordinator dev` for the node; its parts are ended after the test."""
    started = []

    def start(*arguments, **variables):
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "PORT": str(free_port()),
            **variables,
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "coordinator", "dev", str(node), *arguments],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=240)


def parts_of(node):
    """Processes whose environment names the node's folder for its data."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes()
        except OSError:
            continue
        if f":{node}/var\0".encode() in environ + b"\0":
            found.append(int(process.name))
    return found


def test_a_site_that_cannot_start_is_a_failure_with_its_own_words(node, dev):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = dev("--exit", PORT=str(port))
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert out == ""
    assert f"port {port} cannot be used" in err
    assert "Error: the site ended with 1; the lines above say why." in err
    assert parts_of(node) == []


@pytest.mark.e2e
def test_a_node_starts_scores_and_ends_with_ctrl_c(node, dev):
    process = dev("--timeout", "280", "--until-scored", "280", CLOCK_SPEED="10")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("RUNNING"):
            break
    else:
        pytest.fail(f"it ended: {lines} {process.stderr.read()}")
    assert lines[0].startswith("OK  http://localhost:")
    assert lines[1].startswith("Leaderboard  http://localhost:")
    assert len(parts_of(node)) >= 5
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert parts_of(node) == []


def test_no_workspace_is_exit_code_2(coordinator, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir("/")
    assert coordinator("dev") == 2
