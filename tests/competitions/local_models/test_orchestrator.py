"""A folder of models becomes processes that a gateway can ask."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from competitions.gateway.errors import GatewayError
from competitions.gateway.types import Argument, Call
from competitions.local_models import submission
from competitions.local_models.launch import PROJECT, Limits
from competitions.local_models.orchestrator import Orchestrator
from tests.competitions.gateway.conftest import STEADY, ask, predicting, wait_live
from tests.competitions.local_models.conftest import descendants
from tests.waiting import wait_for

EXAMPLES = PROJECT / "competitions" / "local_models" / "examples"


def test_each_example_answers_a_living_market_differently(local_models):
    local_models.start(models=EXAMPLES)
    gateway = local_models.gateway()
    names = sorted(p.name for p in EXAMPLES.iterdir())
    assert len(names) == 6
    wait_live(gateway, *names)

    answers = ask(gateway, names, feed=market(closes=[100, 101, 100.5, 102, 101.7]))

    values = [answers[name].result["value"] for name in names]
    assert all(isinstance(value, float) and value != 0 for value in values)
    assert len(set(values)) == 6


def test_each_example_says_nothing_about_too_little_data(local_models):
    local_models.start(models=EXAMPLES)
    gateway = local_models.gateway()
    names = sorted(p.name for p in EXAMPLES.iterdir())
    wait_live(gateway, *names)

    for closes in ([], [100.0], [100.0, 101.0]):
        answers = ask(gateway, names, feed=market(closes=closes))
        assert {a.model_id: a.result for a in answers.values()} == {
            name: {"value": 0.0} for name in names
        }


def test_a_killed_model_comes_back(local_models):
    local_models.write("steady")
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "steady")
    (before,) = gateway.roster()

    kill_models(local_models)
    wait_for(
        lambda: (
            gateway.roster()[0].deployment_id != before.deployment_id and gateway.live()
        )
    )

    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"


def test_a_new_an_edited_and_a_deleted_folder_are_noticed(local_models):
    local_models.write("first", predicting('return {"value": 1.0}'))
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "first")

    local_models.write("second")
    wait_live(gateway, "second")

    local_models.write("first", predicting('return {"value": 3.0}'))
    wait_for(lambda: ask(gateway, ["first"])["first"].result == {"value": 3.0})

    shutil.rmtree(local_models.models / "second")
    wait_for(lambda: local_models.states(gateway)["second"] == "STOPPED")
    wait_for(lambda: gateway.live() == {"first"})


def test_a_model_that_raises_on_import_is_not_started_again_until_edited(local_models):
    local_models.write("broken", "raise ValueError('no weights')")
    local_models.write("steady")
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "steady")
    wait_for(lambda: local_models.states(gateway).get("broken") == "STOPPED")
    answer = ask(gateway, ["broken"])["broken"]
    assert answer.outcome == "ABSENT"
    assert "ValueError: no weights (main.py:1)" in answer.reason

    local_models.write("broken", STEADY)

    wait_live(gateway, "broken")
    assert ask(gateway, ["broken"])["broken"].outcome == "ANSWERED"


def test_sigterm_ends_every_process(local_models):
    local_models.write("steady")
    local_models.write("hanging", predicting("print('asked')\nwhile True: pass"))
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "steady", "hanging")

    def ask_hanging():
        with contextlib.suppress(GatewayError):  # it is closed in the middle
            ask(gateway, ["hanging"])

    asking = threading.Thread(target=ask_hanging)
    asking.start()
    log = local_models.logs / "hanging.log"
    wait_for(lambda: log.exists() and "asked" in log.read_text())
    models = descendants(local_models.process.pid)
    assert len(models) >= 2

    assert local_models.stop() == 0

    asking.join()
    assert not models & descendants(1)


def test_models_die_with_a_killed_orchestrator(local_models):
    local_models.write("steady")
    local_models.start()
    wait_live(local_models.gateway(), "steady")
    models = descendants(local_models.process.pid)

    local_models.process.send_signal(signal.SIGKILL)
    local_models.process.wait()

    wait_for(lambda: not models & descendants(1))


def test_a_killed_orchestrator_comes_back_with_all_its_models(local_models):
    local_models.write("steady")
    local_models.write("other")
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "steady", "other")
    before = {i.deployment_id for i in gateway.roster()}

    local_models.process.kill()
    local_models.process.wait()
    local_models.start()

    wait_for(lambda: not before & {i.deployment_id for i in gateway.roster()})
    wait_live(gateway, "steady", "other")
    answers = ask(gateway, ["steady", "other"])
    assert {a.outcome for a in answers.values()} == {"ANSWERED"}


def test_the_longest_name_is_served(local_models):
    name = "m" * 100
    local_models.write(name)
    local_models.start()

    wait_live(local_models.gateway(), name)


def test_a_model_sees_no_secret_in_its_environment(local_models):
    local_models.write(
        "curious", predicting("return {'value': 0.0, **os.environ}", head="import os")
    )
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "curious")

    seen = ask(gateway, ["curious"])["curious"].result

    assert "not for models" not in seen.values()
    assert "DATABASE_URL" not in seen


def kill_models(local_models):
    for pid in descendants(local_models.process.pid):
        with contextlib.suppress(ProcessLookupError):  # its parent took it along
            os.kill(pid, signal.SIGKILL)


def market(*, closes):
    candles = [
        {"ts": 60 * i, "open": c, "high": c, "low": c, "close": c, "volume": 1.0}
        for i, c in enumerate(closes)
    ]
    data = {"symbol": "BTC", "asof_ts": 60 * len(candles), "candles_1m": candles}
    return Call("feed_update", (Argument("JSON", data),))


@pytest.fixture
def temporary():
    """A folder whose name is short: a socket's path in it holds 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_it_leaves_nothing_in_the_temporary_folder(
    local_models, temporary, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(temporary))
    local_models.write("m")
    local_models.start()
    wait_live(local_models.gateway(), "m")
    (folder,) = temporary.iterdir()
    local_models.process.kill()
    local_models.process.wait()
    assert folder.exists()

    local_models.start()
    wait_for(lambda: not folder.exists())

    assert local_models.stop() == 0
    assert list(temporary.iterdir()) == []


def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path, monkeypatch):
    models = tmp_path / "models"
    for name in ("good", "locked"):
        (models / name).mkdir(parents=True)
        (models / name / "main.py").write_text(STEADY)
    read = submission.read

    def refuse(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(submission, "read", refuse)
    orchestrator = Orchestrator(
        models_dir=models,
        logs_dir=tmp_path / "logs",
        crunch_id="t",
        limits=Limits(level=1),
    )

    found = orchestrator._read_folders()

    assert found["good"][1].model_id == "good"
    assert found["locked"][1] is None
