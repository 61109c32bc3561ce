"""docs/developer/services.md: each of its services does what the page says."""

import json
import re
import sys
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path

import pytest

from competitions.models import Round
from competitions.predict_service import own_predict_service
from core.service_factories import make_service
from crunchsite.report_app import with_own
from feeds.tape.writes import append
from scoring.models import Score
from scoring.score_service import own_score_service
from tests.competitions.conftest import AnsweringGateway, candles
from tests.competitions.conftest import competition as baseline  # noqa: F401
from tests.competitions.conftest import tape as risen_tape  # noqa: F401
from tests.conftest import NOW
from tests.factories import running_competition
from tests.scoring.factories import make_competition, make_models, make_round
from tests.serving import serving

PAGE = (
    Path(__file__).resolve().parents[2] / "docs" / "developer" / "services.md"
).read_text()
MODULES = ("on_move", "labels", "wall")


@pytest.fixture
def extensions(tmp_path, monkeypatch, settings):
    """The page's modules in a package, and its variables in the environment."""
    folder = tmp_path / "extensions"
    folder.mkdir()
    for name in MODULES:
        found = re.search(
            rf"`extensions/{name}\.py`.*?```python\n(.*?)```", PAGE, re.DOTALL
        )
        (folder / f"{name}.py").write_text(found[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.CALLABLE_PACKAGES = (*settings.CALLABLE_PACKAGES, "extensions")
    lines = re.findall(r"^([A-Z_]+)=(extensions\.\S+)$", PAGE, re.MULTILINE)
    assert len(lines) == 4
    settings.ENV = settings.ENV.model_copy(
        update={variable.lower(): path for variable, path in lines}
    )
    yield
    for name in ("extensions", *(f"extensions.{each}" for each in MODULES)):
        sys.modules.pop(name, None)
    make_service.cache_clear()


def test_it_asks_when_the_price_has_moved(extensions, risen_tape, baseline, at):  # noqa: F811
    Round.objects.all().delete()
    gateway = AnsweringGateway({"a": 1.0})
    service = own_predict_service()
    assert service.run_once(baseline, gateway) == 0  # it has seen the price
    asked = []
    for minute, price in enumerate([219.5, 221.0, 221.2, 223.0], start=1):
        append(candles(NOW + timedelta(minutes=minute - 1), [price]))
        with at(NOW + timedelta(minutes=minute)):
            asked.append(service.run_once(baseline, gateway))
    assert asked == [0, 1, 0, 1]
    assert Round.objects.filter(predictions__isnull=False).count() == 2


@pytest.fixture
def label_service(extensions, monkeypatch):
    """A service of labels on this machine; returns the bodies that it was sent."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            answer = json.dumps(dict.fromkeys(body["texts"], 0.02)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        url = f"{server.url}/labels"
        monkeypatch.setattr(import_module("extensions.labels"), "URL", url)
        yield asked


@pytest.mark.django_db
def test_one_request_labels_the_rounds_of_all_competitions(
    label_service, tape, frozen_clock
):
    start = frozen_clock - timedelta(hours=1)
    made = [make_competition(start, slug=slug) for slug in ("one", "two")]
    for competition in made:
        (model,) = make_models(competition, "m")
        round_ = make_round(competition, start, {model: 1.0})
        round_.scope = {"text_id": f"text-{competition.slug}"}
        round_.save()
    own_score_service().run_once([each.pk for each in made])
    assert label_service == [{"texts": ["text-one", "text-two"]}]
    assert list(Score.objects.values_list("value", flat=True)) == [200.0, 200.0]


@pytest.mark.django_db
def test_a_report_stands_beside_the_site(extensions, frozen_clock, monkeypatch):
    world = running_competition(at=frozen_clock)
    wall = import_module("extensions.wall")
    monkeypatch.setattr(wall, "close_old_connections", lambda: None)
    said = []
    app = with_own(lambda environ, start_response: [b"the site"])
    (body,) = app({"PATH_INFO": "/wall"}, lambda *head: said.append(head))
    first = world.board.entries.select_related("model").order_by("rank").first()
    assert body.decode().splitlines()[0] == f"  1  {first.model.name}"
    assert said[0][0] == "200 OK"
    assert app({"PATH_INFO": "/"}, None) == [b"the site"]
