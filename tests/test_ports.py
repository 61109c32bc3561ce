import subprocess
import sys
from pathlib import Path

from tests.ports import PORTS_A_WORKER, free_port

ASK = "from tests.ports import free_port; print(free_port())"


def test_two_runs_on_one_machine_choose_no_port_twice():
    """A test would ask the server of another."""
    mine = free_port()
    asked = [sys.executable, "-c", ASK]
    root = Path(__file__).parents[1]
    said = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=True)
    blocks = {port // PORTS_A_WORKER for port in (mine, int(said.stdout))}
    assert len(blocks) == 2


def test_each_port_is_chosen_once():
    ports = {free_port() for _ in range(20)}
    assert len(ports) == 20
    assert {port // PORTS_A_WORKER for port in ports} == {min(ports) // PORTS_A_WORKER}
