"""docs/operator/competitions.md, followed to the first board."""

import importlib
import re
import shlex
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from competitions import grid_dispatch, packs
from competitions.local_models.launch import PACKAGE
from competitions.models import Competition, Round
from competitions.rounds.perform import perform_waiting
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score
from tests.competitions.conftest import AnsweringGateway
from tests.conftest import NOW

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operator" / "competitions.md").read_text()


def block_after(name: str) -> str:
    """The code block that follows a file's name."""
    found = re.search(rf"`{re.escape(name)}`.*?```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The files of the page, where the page puts them; the tree stays as it is."""
    for name in (
        "runtime_definitions/eth_direction.py",
        "competitions/packs/eth-direction/pack.json",
        "var/models/follower/main.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text(block_after(name))
    shutil.copytree(packs.FOLDER / "baseline", tmp_path / "competitions/packs/baseline")
    monkeypatch.setattr(packs, "FOLDER", tmp_path / "competitions" / "packs")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(PACKAGE))
    packs.load.cache_clear()
    yield tmp_path
    packs.load.cache_clear()
    for name in ("runtime_definitions", "runtime_definitions.eth_direction", "tracker"):
        sys.modules.pop(name, None)


class Models(AnsweringGateway):
    """The page's model, and its opposite, asked in this process."""

    def __init__(self, source):
        names = {}
        exec(source, names)
        self.model = names["Follower"]()
        super().__init__({"follower": None, "opposite": None})

    def ask(self, *, feed, question, expected):
        self.model.feed_update(feed.args[0].value)
        answer = self.model.predict(*(each.value for each in question.args))
        self.results = {"follower": answer, "opposite": {"value": -answer["value"]}}
        return super().ask(feed=feed, question=question, expected=expected)


def rising(first, count):
    return [
        FeedRecord(
            source="simulated",
            subject="ETHUSDT",
            kind="candle",
            granularity="1s",
            ts_event=first + timedelta(seconds=i),
            values=dict.fromkeys(("open", "high", "low", "close"), 100.0 + i)
            | {"volume": 1.0},
        )
        for i in range(count)
    ]


def test_the_page_leads_to_a_board(project, tape, frozen_clock, at, capsys):
    (command,) = re.findall(
        r"^\./coordinator (create_competition .*)$", PAGE, re.MULTILINE
    )
    call_command(*shlex.split(command))
    said = capsys.readouterr().out
    assert "eth-120: ETHUSDT, every 30 s, 2 min ahead" in said
    assert said.strip().endswith("eth-direction is active.")
    made = Competition.objects.get()

    models = Models((project / "var/models/follower/main.py").read_text())
    append(rising(NOW - timedelta(seconds=60), 60))
    slot = NOW + timedelta(seconds=30)
    with at(slot):
        append(rising(NOW, 30))
        assert grid_dispatch.dispatch() == [made.pk]
        assert perform_waiting(competition_id=made.pk, gateway=models) == 1
    with at(slot + timedelta(seconds=121)):
        append(rising(slot, 121))
        assert run_cycle(competition_id=made.pk).scored == 2

    assert Round.objects.get().input_age_s == 0
    scores = Score.objects.values_list("prediction__model__model_id", "value")
    assert dict(scores) == {"follower": 1.0, "opposite": -1.0}
    board = Leaderboard.objects.get(is_newest=True)
    assert board.ranking_key == "day"
    ranks = board.entries.order_by("rank").values_list("model__model_id", "rank")
    assert list(ranks) == [("follower", 1), ("opposite", 2)]


def test_the_page_s_contract_is_a_module_of_its_own(project):
    module = importlib.import_module("runtime_definitions.eth_direction")
    assert module.CONTRACT.aggregation.ranking_key == "day"
