"""`manage.py up`, as a newcomer meets it."""

import re
import shlex
import socket
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def scored(stack):
    rows = stack.get("/reports/leaderboard")
    values = [row["score_recent"] for row in rows]
    return rows if len(rows) >= 4 and None not in values else None


@pytest.mark.timeout(900)
def test_a_fresh_folder_becomes_a_scored_leaderboard_and_keeps_it(stack, run_up):
    site = stack(CLOCK_SPEED="10")
    site.start()
    rows = site.wait_for(lambda: scored(site), timeout_s=120)
    values = [row["score_recent"] for row in rows]
    assert all(values), "every model has a score that is not zero"
    assert len(set(values)) == len(values), "and no two models the same"
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert values == sorted(values, reverse=True)
    second = run_up(VAR_DIR=str(site.var), PORT=str(site.port))
    assert second.returncode == 1
    assert "already running here" in second.stderr
    before = len(site.get("/reports/predictions?limit=1000"))
    assert site.stop() == 0
    site.env["LOCAL_MODELS_COMPETITION"] = "btc-life"  # for what follows
    site.start()
    assert len(site.get("/reports/predictions?limit=1000")) >= before
    said = live_whole_life(site)
    assert said[0] == "btc-life is a DRAFT"
    assert said[-1] == "btc-life has ended, and all of it is paid"
    assert sum(line.startswith("rank ") for line in said) >= 2
    assert any(" is PAID by tx-of-" in line for line in said)
    assert site.stop() == 0


def live_whole_life(site) -> list[str]:
    """Run the program of docs/integrator/whole_life.md with a new key; what it said."""
    page = (ROOT / "docs" / "integrator" / "whole_life.md").read_text()
    (program,) = re.findall(
        r"`whole_life\.py`:\n\n```python\n(.*?)```", page, re.DOTALL
    )
    (command,) = re.findall(
        r"^\S+python (manage\.py key create .*)$", page, re.MULTILINE
    )
    token = output_of(*shlex.split(command), env=site.env).strip()
    env = {"PATH": "", "CRUNCHSITE_URL": site.url, "CRUNCHSITE_KEY": token}
    return output_of("-c", program, env=env).splitlines()


def output_of(*args: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ctrl_c_while_it_starts_stops_what_was_started(stack):
    site = stack()
    site.launch()
    site.wait_for(lambda: "PostgreSQL" in site.output.read_text(), timeout_s=30)
    assert site.stop() == 0
    assert "Stopped" in site.output.read_text()
    assert "Traceback" not in site.output.read_text()
    assert not (site.var / "postgres" / "data" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"DEMO_PACK": "moon"}, "Error: DEMO_PACK: pack was 'moon'; the packs are"),
        ({"FEED_SOURCE": "moon"}, "Error: FEED_SOURCE was 'moon': give one of"),
        ({"FEED_GRANULARITY": "7q"}, "Error: FEED_GRANULARITY: granularity was '7q'"),
        ({"LOCAL_MODELS_DIR": "/moon"}, "LOCAL_MODELS_DIR was /moon"),
        ({"CLOCK_START": "soon"}, "CLOCK_START was 'soon'"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "start Valkey or correct REDIS_URL"),
        ({"SCORING_FUNCTION": "moon:score"}, "SCORING_FUNCTION was 'moon:score'"),
        (
            {"SCORING_FUNCTION": "competitions.defaults:leaderboard_ranker"},
            "its parameters must begin with (prediction, ground_truth)",
        ),
        ({"CRUNCH_CONFIG_MODULE": "moon:X"}, "contract moon:X could not be loaded"),
        ({"FEED_GRANULARITY": "5m"}, "the horizon was 60 s but the feed's"),
        ({"FEED_SOURCE": "replay"}, "FEED_REPLAY_PATH was empty"),
        ({"CLOCK_SPEED": "0"}, "CLOCK_SPEED was '0'"),
        ({"DATABASE_URL": "mysql://x/y"}, "needs a postgresql:// address"),
        (
            {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/none"},
            "PostgreSQL did not answer",
        ),
    ],
)
def test_what_cannot_run_is_refused_in_one_line_before_anything_is_set_up(
    run_up, tmp_path, free_port, env, message
):
    result = run_up(PORT=str(free_port), **env)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "var").exists()


def test_a_folder_that_cannot_be_made_is_named(run_up):
    result = run_up(VAR_DIR="/proc/nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: VAR_DIR was /proc/nowhere, which cannot")
    assert len(result.stderr.splitlines()) == 1


def test_a_busy_port_is_named_with_the_remedy(run_up):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run_up(PORT=str(port))
    assert result.returncode == 1
    assert f"port {port} cannot be used" in result.stderr
    assert "PORT=8001" in result.stderr
