"""A stranger with the wheel of a public package alone gets a model ranked: `make live`.

What they type is what the package's README says.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.e2e.test_packs_live import UV, made
from tests.e2e.test_up import output_of

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not os.environ.get("LIVE"), reason="`make live` runs these"),
]
# What installs packages has the machine's certificates, index and cache.
HOST = dict(os.environ)
CODE = """
from tracker import TrackerBase
class Broken(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        raise ValueError("never again")
"""


class Stranger:
    """A new environment with the package, an empty home, and no repository."""

    def __init__(self, folder, challenge):
        self.folder = folder / "stranger"
        self.folder.mkdir()
        self.bin = self.folder / "env" / "bin"
        wheels = folder / "wheels"
        quiet = ("--quiet", "--python", sys.executable)
        self.run(UV, "build", "--wheel", *quiet, "--out-dir", wheels, challenge, **HOST)
        (self.wheel,) = wheels.glob("*.whl")
        self.run(UV, "venv", *quiet, self.folder / "env", **HOST)
        self.readme = (challenge / "README.md").read_text()

    def install(self):
        python = ("--python", self.bin / "python")
        self.run(UV, "pip", "install", "--quiet", *python, self.wheel, **HOST)

    def run(self, *command, exit_code=0, given="", **env):
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), **env},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        said = done.stdout + done.stderr
        assert done.returncode == exit_code, f"{command}: {said[-4000:]}"
        return done.stdout

    def commands(self):
        """Return the lines of the README's block of commands."""
        (block,) = re.findall(r"```sh\n(pip install .*?)```", self.readme, re.DOTALL)
        return [shlex.split(line) for line in block.splitlines()]


def fill_yesterday(site, key):
    """Let the operator fill the day before, which a backtest plays."""
    headers = {"Authorization": f"Bearer {key}"}
    feed = requests.get(f"{site.url}/api/v1/feeds", timeout=30).json()["results"][0]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {
        **{name: feed[name] for name in ("source", "subject", "kind", "granularity")},
        "start": (today - timedelta(days=1)).isoformat(),
        "end": today.isoformat(),
        "sink": "tape",  # whole days are made from the tape alone
    }
    answer = requests.post(
        f"{site.url}/api/v1/backfills", json=asked, headers=headers, timeout=30
    )
    assert answer.ok, answer.text
    job = f"{site.url}/api/v1/backfills/{answer.json()['id']}"

    def is_done():
        return requests.get(job, timeout=30).json()["status"] == "completed"

    site.wait_for(is_done, timeout_s=300)


def test_a_stranger_gets_from_the_wheel_to_a_ranked_model(tmp_path, stack):
    node = made(tmp_path, "realtime", "base")
    site = stack(WORKSPACE=str(node), CLOCK_SPEED="10")
    site.start()
    create = ("manage.py", "key", "create")
    scopes = ("stranger", "--scope", "write:models", "--scope", "read")
    of = ("--competition", "live", "--cruncher", "zoe", "--enrol")
    key = output_of(*create, *scopes, *of, env=site.env).strip()
    operator = output_of(*create, "op", "--scope", "write:operate", env=site.env)
    fill_yesterday(site, operator.strip())

    stranger = Stranger(tmp_path, node.parent / "challenge")
    stranger.install()
    at_site = {"COORDINATOR_URL": site.url}
    said = {}
    install, *steps = stranger.commands()
    assert install[:2] == ["pip", "install"]
    for program, verb, *arguments in steps:
        given = f"{key}\n" if verb == "login" else ""
        asked = ("--json", verb, *arguments)
        if verb == "login":
            asked = (*asked, "--key", key)
        said[verb] = stranger.run(
            stranger.bin / program, *asked, given=given, **at_site
        )
    assert json.loads(said["check"])["problems"] == []
    assert json.loads(said["backtest"])["coverage"] > 0.9
    pushed = json.loads(said["push"])
    assert (pushed["model_id"], pushed["version"]) == ("my-model", 1)
    assert pushed["status"] == "LIVE"

    program = stranger.bin / steps[0][0]

    def is_ranked():
        rows = json.loads(stranger.run(program, "--json", "board", **at_site))
        return next(
            (row for row in rows if row["model_id"] == "my-model" and row["rank"]), None
        )

    row = site.wait_for(is_ranked, timeout_s=600)
    assert row["versions"] == 1
    assert row["score"] is not None

    # A version that raises changes nothing: the one before is asked on.
    (stranger.folder / "my-model" / "main.py").write_text(CODE)
    again = ("--json", "push", "my-model", "--yes", "--wait")
    refused = json.loads(stranger.run(program, *again, exit_code=1, **at_site))
    assert (refused["status"], refused["code"]) == ("REFUSED", "check_answers_failed")
    assert "never again" in refused["reason"]
    versions = json.loads(stranger.run(program, "--json", "status", **at_site))
    assert [(row["version"], row["status"]) for row in versions] == [
        (2, "REFUSED"),
        (1, "LIVE"),
    ]
    stranger.run(program, "model", "logs", "my-model", **at_site)
    assert site.stop() == 0
