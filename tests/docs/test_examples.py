"""docs/examples: each pack becomes a competition of a site that asks, scores, ranks."""

import json
import re
import shlex
import sys
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from competitions import grid_dispatch, lifecycle
from competitions.local_models.participant.tracker import TrackerBase
from competitions.models import Round
from competitions.rounds.perform import perform_waiting
from competitions.scaffold.importing import import_workspace
from competitions.tournament.ask_samples import ask_some
from core import workspaces
from crunchsite.coordinator.checkup.leaks import check_leaks
from crunchsite.coordinator.init import command as init
from crunchsite.settings.workspace import read_workspace
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score
from tests.competitions.conftest import AnsweringGateway
from tests.conftest import NOW
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "examples" / "README.md").read_text()

pytestmark = pytest.mark.django_db


class ExampleModels(AnsweringGateway):
    """The pack's own models, asked in this process."""

    def __init__(self, node):
        sources = node.example_models()
        assert len(sources) == 3
        self.models = {}
        for name, source in sources.items():
            found = {"TrackerBase": TrackerBase}
            exec(source.replace("from tracker import TrackerBase", ""), found)
            own = [
                v
                for v in found.values()
                if isinstance(v, type) and v is not TrackerBase
            ]
            self.models[name] = own[-1]()
        super().__init__(dict.fromkeys(self.models))

    def live(self):
        return set(self.models)

    def ask(self, *, feed, question, expected):
        arguments = [argument.value for argument in question.args]
        self.results = {
            name: model.predict(*arguments) for name, model in self.models.items()
        }
        return super().ask(feed=feed, question=question, expected=expected)


@pytest.fixture
def made(tmp_path, settings, monkeypatch, frozen_clock, tape):
    """Make a workspace as the page says, and a running competition of it."""
    settings.WORKSPACES_DIR = tmp_path / "kept"
    settings.WORKSPACES_DIR.mkdir()
    monkeypatch.setattr(workspaces, "_home", None)
    workspaces.keep_in(settings.WORKSPACES_DIR)
    monkeypatch.setattr(
        "competitions.scaffold.vendor.copy_engine", lambda target: target.mkdir()
    )
    monkeypatch.chdir(ROOT)

    def make(name):
        (line,) = re.findall(rf"^\./coordinator init ({name} .*)$", PAGE, re.MULTILINE)
        arguments = shlex.split(line)
        assert arguments[-2:] == ["--output", ".."]
        init.main([*arguments[:-1], str(tmp_path)], standalone_mode=False)
        node = read_workspace(str(tmp_path / name))
        assert [each.level for each in check_leaks(node)] == ["OK"]
        draft = import_workspace(tmp_path / name)
        return lifecycle.activate(competition_id=draft.pk), ExampleModels(node)

    yield make
    for name in [name for name in sys.modules if name.startswith("workspaces.")]:
        del sys.modules[name]


def ask_a_minute_later(competition, models, at):
    Round.objects.all().delete()
    with at(NOW + timedelta(minutes=1)):
        assert grid_dispatch.dispatch() == [competition.pk]
        assert perform_waiting(competition_id=competition.pk, gateway=models) == 1


def test_house_prices_are_asked_by_the_minute_and_as_a_file(made, at, capsys):
    competition, models = made("house-prices")
    ask_a_minute_later(competition, models, at)
    with at(NOW + timedelta(minutes=2, seconds=5)):
        assert run_cycle(competition_id=competition.pk).scored == 3
    round_ = Round.objects.get()
    assert round_.raw_data.keys() == {"house", "area_m2", "rooms", "age_years"}
    assert round_.actuals["price"] > 0

    houses = ROOT / "docs/examples/house-prices/workspace/node/plugins/houses.csv"
    acts = re.findall(
        r"^\./coordinator tournament (\w+) house-prices march ", PAGE, re.MULTILINE
    )
    assert acts == ["infer", "score"]
    with at(NOW + timedelta(minutes=2, seconds=10)):
        call_command("tournament", "infer", "house-prices", "march", houses)
        while ask_some(competition_id=competition.pk, gateway=models):
            pass
        call_command("tournament", "score", "house-prices", "march", houses)
        assert run_cycle(competition_id=competition.pk).scored == 40 * 3
    assert all(
        0 <= value <= 1 for value in Score.objects.values_list("value", flat=True)
    )
    board = Leaderboard.objects.get(is_newest=True)
    assert board.ranking_key == "score_24h"
    best = board.entries.order_by("rank").first()
    assert best.model.model_id == "ageing"


@pytest.fixture
def labels(monkeypatch):
    """The service elsewhere; it has no labels until they are set."""
    known: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            ids = parse_qs(urlsplit(self.path).query)["ids"][0].split(",")
            body = json.dumps({key: known[key] for key in ids if key in known}).encode()
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        url = f"{server.url}/labels"
        monkeypatch.setenv("LABELS_URL", url)
        yield known


def test_texts_are_ranked_against_labels_of_another_service(made, labels, at):
    competition, models = made("text-sentiment")
    ask_a_minute_later(competition, models, at)
    with at(NOW + timedelta(minutes=2, seconds=5)):
        assert run_cycle(competition_id=competition.pk).waiting == 1
    round_ = Round.objects.get()
    order = round_.predictions.get(model__model_id="glad_words").output["order"]
    labels.update({key: -place / 10 for place, key in enumerate(order)})
    with at(NOW + timedelta(minutes=2, seconds=20)):
        assert run_cycle(competition_id=competition.pk).scored == 3
    scores = dict(Score.objects.values_list("prediction__model__model_id", "value"))
    assert scores["glad_words"] == 1.0
    assert all(
        -1 <= value < 1 for name, value in scores.items() if name != "glad_words"
    )
    board = Leaderboard.objects.get(is_newest=True)
    assert board.entries.get(rank=1).model.model_id == "glad_words"
