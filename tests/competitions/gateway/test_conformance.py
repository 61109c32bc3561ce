"""The official runner, from its own environment, answers our gateway."""

import os
import subprocess
from pathlib import Path

import pytest

from competitions.local_models.launch import PACKAGE, PROJECT
from competitions.local_models.submission import folders
from tests.competitions.gateway.conftest import ask, predicting, wait_live
from tests.competitions.local_models.test_orchestrator import market
from tests.foreign import installed
from tests.ports import free_port
from tests.waiting import wait_for

RUNNER = "crunch-model-runner==0.4.2"  # it wants protobuf below 6
EXAMPLES = PROJECT / "competitions" / "local_models" / "examples"


@pytest.fixture(scope="module")
def official_runner() -> Path:
    """The `model-runner` program, installed on first use and kept."""
    return installed(RUNNER, "model-runner")


@pytest.fixture
def serve(official_runner, stage, tmp_path):
    """Serve a model's folder by the official runner, and announce it."""
    children = []

    def start(model_id, folder):
        port = free_port()
        with (tmp_path / f"{model_id}.log").open("wb") as log:
            children.append(
                subprocess.Popen(
                    [
                        *(official_runner, "--address", f"127.0.0.1:{port}"),
                        *("--code-directory", folder, "--log-level", "info"),
                        *("--resource-directory", tmp_path),
                    ],
                    env={"PATH": os.defpath, "PYTHONPATH": str(PACKAGE)},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        stage.orchestrator.announce(model_id, address=("127.0.0.1", port))

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.timeout(400)
def test_our_examples_answer_on_the_official_runner_as_on_ours(serve, stage):
    names = list(folders(EXAMPLES))
    for name in names:
        serve(f"official-{name}", EXAMPLES / name)
        stage.add(f"own-{name}", (EXAMPLES / name / "main.py").read_text())
    gateway = stage.gateway()
    everyone = [f"{kind}-{name}" for kind in ("official", "own") for name in names]
    wait_for(lambda: gateway.live() == set(everyone))

    for closes in ([100.0, 101.0], [100, 101, 100.5, 102, 101.7]):
        answers = ask(gateway, everyone, feed=market(closes=closes))
        assert {a.outcome for a in answers.values()} == {"ANSWERED"}
        for name in names:
            official, own = answers[f"official-{name}"], answers[f"own-{name}"]
            assert official.result == own.result


def test_the_official_runners_refusals_are_told_like_ours(serve, stage, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "main.py").write_text(predicting('raise ValueError("official boom")'))
    stage.add("steady")
    serve("bad", bad)
    gateway = stage.gateway()
    wait_for(lambda: gateway.live() == {"steady", "bad"})
    wait_live(gateway, "steady")

    answers = ask(gateway, ["steady", "bad"])

    assert answers["steady"].outcome == "ANSWERED"
    assert answers["bad"].outcome == "FAILED"
    assert "official boom" in answers["bad"].reason
