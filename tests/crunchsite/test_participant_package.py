"""The participant's package and the site: data, lists, refusals, commands."""

import importlib
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from click.testing import CliRunner

from core import clock
from feeds.tape import parquet
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from tests import factories
from tests.participants import imported, lay_out, session_to_site

pytestmark = [
    pytest.mark.usefixtures("tape"),
    pytest.mark.django_db(databases=["default", "tape"]),
]
NOW = datetime(2026, 3, 5, tzinfo=UTC)
DAYS = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
FIRST = DAYS[0], DAYS[0] + timedelta(days=1)
BOTH = DAYS[0], DAYS[1] + timedelta(days=1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("desk"), "baseline", name="btc-demo")


@pytest.fixture
def module(workspace, monkeypatch, tmp_path):
    """Import a module of the package by its name; its cache and its home are new."""
    monkeypatch.setenv("CRUNCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(parquet, "base", lambda: tmp_path / "site" / "backfill")
    with imported(workspace) as package:
        yield lambda name: importlib.import_module(f"{package.__name__}.{name}")


@pytest.fixture
def site():
    """A site that has recorded two hours of two days, at the third."""
    with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
        append(
            [
                FeedRecord(
                    *("simulated", "BTCUSDT", "candle", "1m"),
                    day + timedelta(minutes=minute),
                    dict.fromkeys(("open", "high", "low", "close"), 100.0 + minute % 7)
                    | {"volume": 1.0},
                )
                for day in (*DAYS, NOW - timedelta(hours=2))
                for minute in range(120)
            ]
        )
        yield session_to_site()


def test_days_are_downloaded_once_verified_and_read_offline(module, site):
    session, adapter = site
    client = module("day_files").BacktestClient(session=session)
    files = client.pull("BTCUSDT", *BOTH)
    assert [path.name for path in files] == ["2026-03-02.npz", "2026-03-04.npz"]
    first = len(adapter.asked)
    client.pull("BTCUSDT", *BOTH)
    assert len(adapter.asked) == first + 1  # the list alone
    adapter.broken = lambda *_: pytest.fail("it asked the site")
    series = client.load("BTCUSDT", *FIRST)
    assert (len(series.closed_s), series.prices[3]) == (120, 103.0)
    assert [row["is_whole"] for row in client.status("BTCUSDT")] == [True, True]


def test_each_site_has_its_own_cache_in_the_home(module, monkeypatch, tmp_path):
    monkeypatch.delenv("CRUNCH_CACHE")
    of_site = {
        url: module("day_files").BacktestClient(url=url).cache
        for url in ("http://localhost:8000", "https://desk.example/btc/")
    }
    home = tmp_path / ".cache" / "crunch-btc-demo"
    assert of_site == {
        "http://localhost:8000": home / "localhost_8000",
        "https://desk.example/btc/": home / "desk.example_btc",
    }


def test_a_download_goes_on_where_it_stopped(module, site):
    session, adapter = site
    client = module("day_files").BacktestClient(session=session)

    def cut(path, response):
        if path.endswith(".npz"):
            response.raw = BytesIO(response.raw.read()[:100])
        return response

    adapter.broken = cut
    with pytest.raises(module("problems").Unreachable, match="another digest"):
        client.pull("BTCUSDT", *FIRST)
    adapter.broken = lambda path, response: response
    [path] = client.pull("BTCUSDT", *FIRST)
    whole = path.read_bytes()
    part = path.with_suffix(".part")
    part.write_bytes(whole[:50])
    path.unlink()
    statuses = []
    adapter.broken = lambda _, response: (
        statuses.append(response.status_code) or response
    )
    client.pull("BTCUSDT", *FIRST)
    assert statuses == [200, 206]
    assert (path.read_bytes(), part.exists()) == (whole, False)


def test_two_runs_that_download_a_day_at_once_do_not_disturb_each_other(module, site):
    session, adapter = site
    client = module("day_files").BacktestClient(session=session)
    others = [client]

    class Slow(BytesIO):
        def read(self, size=-1):
            if self.tell() and others:  # the other run begins in the middle
                others.pop().pull("BTCUSDT", *BOTH)
            return super().read(100)

    def slow(path, response):
        if path.endswith(".npz") and others:
            response.raw = Slow(response.raw.read())
        return response

    adapter.broken = slow
    [path] = client.pull("BTCUSDT", *FIRST)
    status = client.status("BTCUSDT")
    assert [row["date"] for row in status] == ["2026-03-02", "2026-03-04"]
    assert all(row["is_whole"] for row in status)
    assert {each.suffix for each in path.parent.iterdir()} == {".npz", ".json"}


def test_a_broken_file_is_named_and_a_range_without_data_too(module, site):
    session, _ = site
    problems = module("problems")
    client = module("day_files").BacktestClient(session=session)
    [path] = client.pull("BTCUSDT", *FIRST)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(problems.InvalidInput, match=r"03-02.npz is broken"):
        client.load("BTCUSDT", *FIRST)
    with pytest.raises(problems.NoData, match="no whole day of BTCUSDT"):
        client.pull("BTCUSDT", DAYS[0] - timedelta(9), DAYS[0] - timedelta(8))


def test_rows_page_by_themselves_as_they_are_read(module, site):
    factories.running_competition(at=NOW, models=2, hours=30)
    session, adapter = site
    client = module("client").Client(session=session)
    rows = list(client.rounds())
    assert len(rows) == 121
    assert rows[0].slot_at > rows[1].slot_at
    before = len(adapter.asked)
    assert len(client.rounds().first(3)) == 3
    assert len(adapter.asked) == before + 1
    board = list(client.leaderboard("score_recent"))
    assert [row.score for row in board] == [row.ranking_value for row in board]
    with pytest.raises(module("problems").InvalidInput, match="window was 'moon'"):
        list(client.leaderboard("moon"))


def test_failures_and_absences_come_in_one_order_the_newest_first(module, site):
    session, adapter = site
    slots = {
        "FAILED": ["2026-03-02T00:05:00Z", "2026-03-02T00:01:00Z"],
        "ABSENT": ["2026-03-02T00:09:00Z", "2026-03-02T00:03:00Z"],
    }

    def told(path, response):
        [outcome] = parse_qs(urlsplit(response.request.url).query)["outcome"]
        rows = [{"slot_at": slot_at} for slot_at in slots[outcome]]
        response.status_code = 200
        response.raw = BytesIO(json.dumps({"results": rows, "next": None}).encode())
        response.headers.clear()
        return response

    adapter.broken = told
    rows = module("client").Client(session=session).failures("mine")
    minutes = [row.slot_at[14:16] for row in rows]
    assert minutes == ["09", "05", "03", "01"]
    assert [row.slot_at[14:16] for row in rows.first(2)] == ["09", "05"]


def test_the_sites_refusals_are_problems_with_exit_codes(module, site, monkeypatch):
    session, adapter = site
    client_module, problems = module("client"), module("problems")
    monkeypatch.setattr(module("site_requests").time, "sleep", lambda seconds: None)
    factories.running_competition(at=NOW, models=1, hours=1)

    def answered(client):
        with pytest.raises(problems.Problem) as raised:
            list(client.models())
        return type(raised.value).__name__, raised.value.exit_code, str(raised.value)

    name, code, text = answered(client_module.Client(key="csk_wrong", session=session))
    assert (name, code) == ("NotAllowed", 3)
    assert "CRUNCH_BTC_DEMO_KEY" in text

    def other(status, body=b"<html>", **headers):
        def broken(path, response):
            response.status_code, response.raw = status, BytesIO(body)
            response.headers.clear()
            response.headers.update(headers)
            return response

        adapter.broken = broken
        return answered(client_module.Client(session=session))[:2]

    assert other(503) == ("Unreachable", 4)
    assert other(429, b'{"detail": "quota"}') == ("Refused", 5)
    assert other(422, b'{"detail": "no"}') == ("InvalidInput", 2)

    def gone(path, response):
        raise requests.ConnectionError("refused")

    adapter.broken = gone
    assert answered(client_module.Client(session=session))[1] == 4


HOSTILE = {
    "a redirect": (302, b"", {"Location": "http://evil:1/x"}, "leads to 'http://evil"),
    "pages without end": (
        *(200, b'{"results": [], "next": "http://evil:1/api?x"}', {}),
        "have no end",
    ),
    "an odd next": (200, b'{"results": [], "next": 7}', {}, "have no end"),
    "a list": (200, b"[]", {}, "is no rows"),
    "odd rows": (200, b'{"results": [1], "next": null}', {}, "is no rows"),
    "too deep": (200, b"[" * 100_000, {}, "is no JSON"),
    "too much": (200, b"[" + b" " * 2_000 + b"]", {}, "more than 1000 bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_site_gets_no_further_than_a_problem(name, module, site, monkeypatch):
    session, adapter = site
    status, body, headers, words = HOSTILE[name]
    monkeypatch.setattr(module("site_requests"), "MOST_PAGES", 3)
    monkeypatch.setattr(module("site_requests"), "LARGEST_ANSWER", 200_000)
    if name == "too much":
        monkeypatch.setattr(module("site_requests"), "LARGEST_ANSWER", 1_000)

    def broken(path, response):
        assert response.request.url.startswith("http://localhost:8000/")
        response.status_code, response.raw = status, BytesIO(body)
        response.headers.clear()
        response.headers.update(headers)
        return response

    adapter.broken = broken
    client = module("client").Client(key="csk_1", session=session)
    with pytest.raises(module("problems").Unreachable, match=words):
        list(client.models())


@pytest.mark.parametrize("day", ["../../../2026-03-02", "/tmp/x", "2026-3-2", 7])
def test_a_day_of_an_odd_name_is_no_file(day, module, site, tmp_path):
    session, adapter = site
    entry = {"date": day, "sha256": "", "url": "/x", "records": 1}

    def broken(path, response):
        response.raw = BytesIO(json.dumps([entry]).encode())
        response.headers.clear()
        return response

    adapter.broken = broken
    client = module("day_files").BacktestClient(session=session)
    with pytest.raises(module("problems").Unreachable, match="which is no day"):
        client.pull("BTCUSDT", *BOTH)


def test_a_download_has_a_limit(module, site, tmp_path, monkeypatch):
    client = module("client")
    monkeypatch.setattr(client, "LARGEST_FILE", 10)
    with pytest.raises(module("problems").Unreachable, match="more than 10 bytes"):
        client.Client(session=site[0]).fetch("/api/v1/competitions", tmp_path / "x", 0)


def test_the_key_goes_to_the_site_alone_and_lies_in_a_file_of_its_owner(module):
    client, store_key = module("client"), module("credentials").store_key
    path = store_key("http://localhost:8000", "csk_1")
    assert store_key("http://far:8000", "csk_2") == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert client.Client(url="http://far:8000").key == "csk_2"
    assert client.Client().key == "csk_1"
    assert client.Client(url="http://other:8000").key is None
    headers = {}

    class Session:
        def request(self, method, url, headers, **_):
            nonlocal_headers(url, headers)
            raise requests.ConnectionError

    def nonlocal_headers(url, given):
        headers[url] = given

    module("site_requests").time.sleep = lambda seconds: None
    made = client.Client(session=Session())
    for url in ("http://localhost:8000/x", "http://localhost:8000.evil/x"):
        with pytest.raises(Exception, match="no answer"):
            made._site.get(url)
    assert [("X-API-Key" in given) for given in headers.values()] == [True, False]


@pytest.mark.parametrize("key", ["", " ", "csk_1\u2026", "csk_1\ncsk_2", "csk 1"])
def test_a_text_that_is_no_key_is_kept_nowhere_and_not_repeated(
    key, module, site, monkeypatch
):
    session, adapter = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    module("credentials").store_key("http://localhost:8000", "csk_0")
    main = module("commands").main
    found = CliRunner().invoke(main, ["login", "--key", key])
    assert (found.exit_code, adapter.asked) == (2, [])
    assert "the key is empty, or has" in found.stderr
    assert module("client").Client().key == "csk_0"
    monkeypatch.setenv("CRUNCH_BTC_DEMO_KEY", key)
    found = CliRunner().invoke(main, ["whoami"])
    assert found.exit_code == (2 if key else 0)
    assert "csk" not in found.output


def test_who_breaks_off_at_a_question_leaves_with_130(module, site, monkeypatch):
    monkeypatch.setattr(requests, "Session", lambda: site[0])

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    monkeypatch.setattr("click.termui.hidden_prompt_func", interrupted)
    main = module("commands").main
    with pytest.raises(SystemExit) as left:
        main(["login"])
    assert left.value.code == 130


def test_a_place_that_cannot_be_written_is_told_in_a_line(
    module, site, monkeypatch, tmp_path
):
    monkeypatch.setattr(requests, "Session", lambda: site[0])
    main = module("commands").main
    taken = tmp_path / "taken"
    taken.write_text("")
    monkeypatch.setenv("CRUNCH_CACHE", str(taken))
    days = ("--from", "2026-03-02", "--to", "2026-03-05")
    found = CliRunner().invoke(main, ["--json", "data", "pull", *days])
    assert found.exit_code == 2
    assert json.loads(found.stdout)["code"] == "invalid_input"
    assert found.stderr.startswith(f"Error: {taken}/simulated")
    assert found.stderr.endswith(": Not a directory.\n")


def test_commands_write_data_to_stdout_and_end_with_a_code(module, site, monkeypatch):
    factories.running_competition(at=NOW, models=2, hours=3)
    session, adapter = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    main = module("commands").main

    def run(*arguments):
        found = CliRunner().invoke(main, arguments)
        return found.exit_code, found.stdout, found.stderr

    code, out, _ = run("--json", "board")
    assert code == 0
    assert [row["rank"] for row in json.loads(out)] == [1, 2]
    assert run("rounds", "-n", "2")[1].count("\n") == 3
    assert "has_key" in run("whoami")[1]
    days = ("--from", "2026-03-02", "--to", "2026-03-05")
    code, out, _ = run("--json", "data", "pull", *days)
    assert (code, len(json.loads(out))) == (0, 2)
    adapter.broken = lambda *_: pytest.fail("it asked the site")
    folder = Path(module("config").__file__).parent
    example = str(folder / "examples" / "mean_reversion_tracker.py")
    span = ("--from", "2026-03-02", "--to", "2026-03-02T02:00:00")
    code, out, err = run("--json", "backtest", example, *span, "--offline")
    assert (code, err) == (0, "")
    assert json.loads(out)["coverage"] == 1.0
    long_ago = ("--from", "2026-01-01", "--to", "2026-01-02")
    code, _, err = run("backtest", example, *long_ago, "--offline")
    assert code == 2
    assert err.startswith("Error: there is no data of BTCUSDT")
    assert run("backtest", example, "--from", "noon")[0] == 2


def test_what_there_is_not_is_said_with_what_there_is(module, site, monkeypatch):
    world = factories.running_competition(at=NOW, models=2, hours=3)
    session, _ = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    main = module("commands").main

    def run(*arguments):
        found = CliRunner().invoke(main, arguments)
        return found.exit_code, found.stdout, found.stderr

    code, _, err = run("rounds", "--state", "nope")
    assert code == 2
    assert "'nope' is not one of 'open', 'received', 'resolved'" in err.lower()
    resolved, upper = (run("rounds", "--state", s) for s in ("resolved", "RESOLVED"))
    assert (resolved, resolved[0]) == (upper, 0)
    assert "RESOLVED" in resolved[1]
    for command in (
        ("model", "scores", "NOBODY"),
        ("model", "failures", "NOBODY"),
        ("export", "NOBODY"),
        ("payouts", "--model", "NOBODY"),
    ):
        code, out, err = run(*command)
        assert (code, out) == (2, ""), command
        assert "there is no model 'NOBODY'" in err
    code, _, err = run("receipts", "list", "NOBODY", "--day", "2026-03-02")
    assert (code, "NOBODY" in err) == (2, True)
    # One that is there and has no scores yet is no mistake.
    factories.ParticipantModel.objects.create(
        competition=world.competition,
        model_id="new",
        name="new",
        cruncher=world.models[0].cruncher,
        created_at=NOW,
        updated_at=NOW,
    )
    assert run("--json", "model", "scores", "new") == (0, "[]\n", "")


def test_payouts_show_the_share_of_each_model(module, site, monkeypatch):
    factories.running_competition(at=NOW, models=2, hours=3)
    session, _ = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    main = module("commands").main

    head, first, *_ = CliRunner().invoke(main, ["payouts"]).stdout.splitlines()

    earned = json.loads(CliRunner().invoke(main, ["--json", "payouts"]).stdout)[0]
    assert earned["reward_frac64"] > 0
    assert dict(zip(head.split(), first.split(), strict=True)) == {
        "period_end": earned["period_end"],
        "place": str(earned["place"]),
        "model_id": earned["model_id"],
        "reward_frac64": str(earned["reward_frac64"]),
    }


def test_the_end_of_days_is_not_included(module, site, monkeypatch):
    session, _ = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    main = module("commands").main

    def dates(*span):
        found = CliRunner().invoke(main, ("--json", "data", "list", *span))
        rows = json.loads(found.stdout) if found.exit_code == 0 else []
        return found.exit_code, [row["date"] for row in rows]

    span = ("--from", "2026-03-02", "--to")
    assert dates(*span, "2026-03-03") == (0, ["2026-03-02"])
    assert dates(*span, "2026-03-04") == (0, ["2026-03-02"])
    assert dates(*span, "2026-03-04T00:00:01") == (0, ["2026-03-02", "2026-03-04"])
    west = "2026-03-03T20:00:00-05:00"  # which is the 4th
    assert dates(*span, west) == (0, ["2026-03-02", "2026-03-04"])
    assert dates(*span, "2026-03-02") == (2, [])
    told = CliRunner().invoke(main, ("backtest", "--help")).stdout
    assert "not included" in told


def test_a_backtest_downloads_the_day_from_which_its_last_truths_follow(
    module, site, monkeypatch
):
    session, _ = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    folder = Path(module("config").__file__).parent
    run = (
        module("backtest")
        .BacktestRunner(str(folder / "examples" / "mean_reversion_tracker.py"))
        .run
    )
    run(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
    cached = module("day_files").BacktestClient().status("BTCUSDT")
    assert [row["date"] for row in cached] == ["2026-03-02", "2026-03-04"]


@pytest.mark.parametrize("is_there", [True, False])
def test_the_last_truths_are_asked_for_though_the_days_before_are_cached(
    is_there, module
):
    """The day was not over when those were downloaded; what there is does without."""
    made_up, problems = module("made_up_data"), module("problems")
    days = {made_up.BEGIN.date()}
    folder = Path(module("config").__file__).parent

    class Cached(made_up.MadeUpData):
        def lacks(self, subject, since, until):
            last = until - timedelta(microseconds=1)
            return not {since.date(), last.date()} <= days

        def pull(self, subject, since, until):
            if not is_there:
                raise problems.NotAllowed("it wants a key")
            days.add(until.date())

    runner = module("backtest").BacktestRunner(
        folder / "examples" / "mean_reversion_tracker.py", data=Cached()
    )
    begin, midnight = (made_up.BEGIN + timedelta(hours=hours) for hours in (23, 24))
    assert runner.run(begin, midnight).scored == 60
    assert (midnight.date() in days) == is_there


def test_a_backtest_downloads_the_day_before_its_first_round_where_it_can(
    module, site, monkeypatch
):
    session, adapter = site
    monkeypatch.setattr(requests, "Session", lambda: session)
    monkeypatch.setattr(module("site_requests").time, "sleep", lambda seconds: None)
    runner = module("backtest").BacktestRunner
    files = module("day_files").BacktestClient()
    folder = Path(module("config").__file__).parent
    model = str(folder / "examples" / "mean_reversion_tracker.py")
    # Nothing was recorded on the day before: what is there is played.
    span = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 4, 2, tzinfo=UTC)
    runner(model).run(*span)
    assert [row["date"] for row in files.status("BTCUSDT")] == ["2026-03-04"]

    def gone(path, response):
        raise requests.ConnectionError("refused")

    adapter.broken = gone
    runner(model).run(*span)
    adapter.broken = lambda path, response: response
    later = datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
    runner(model).run(*later)
    dates = [row["date"] for row in files.status("BTCUSDT")]
    assert dates == ["2026-03-02", "2026-03-04"]
    never = datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
    with pytest.raises(module("problems").NoData, match="only days that are over"):
        runner(model).run(*never)


def test_rules_that_are_older_than_the_sites_are_told(module, site, monkeypatch):
    """With a site that is gone, or of before, nothing is said."""
    competition, session = running_as("btc-demo", module("config").rules()), site[0]
    monkeypatch.setattr(requests, "get", session.get)
    told = module("site_rules").warning_of_old_rules
    assert told() == ""
    competition.scheduled_predictions.update(prediction_interval_s=45)
    line = told()
    assert line.startswith("Warning: the site has other rules than this package (sch")
    site[1].broken = lambda _, response: (
        setattr(response, "status_code", 503) or (response)
    )
    assert told() == ""


def test_a_site_that_wants_a_key_for_its_rules_gets_it(module, site, monkeypatch):
    session, adapter = site
    monkeypatch.setattr(requests, "get", session.get)
    rules = {**module("config").rules(), "window": 7}

    def closed(path, response):
        is_known = response.request.headers.get("X-API-Key") == "csk_1"
        response.status_code = 200 if is_known else 401
        response.raw = BytesIO(json.dumps({"rules": rules}).encode())
        response.headers.clear()
        return response

    adapter.broken = closed
    told = module("site_rules").warning_of_old_rules
    assert told() == ""
    module("credentials").store_key("http://localhost:8000", "csk_1")
    assert "(window)" in told()


def running_as(slug, rules):
    """Return a competition of the site with the feed and questions of a package."""
    competition = factories.running_competition(at=NOW, models=1, hours=1).competition
    [question] = rules["schedule"]
    competition.scheduled_predictions.update(
        scope_key=question["scope_key"],
        scope_template=question["scope_template"],
        prediction_interval_s=question["every_s"],
        resolve_horizon_s=question["horizon_s"],
    )
    competition.slug = slug
    competition.feed_granularity = rules["feed"]["granularity"]
    competition.score_interval_s = rules["score_interval_s"]
    competition.save()
    return competition


@pytest.mark.parametrize("pack", ["baseline", "trading"])
def test_the_cells_of_the_quick_start_run(
    pack, site, tmp_path, monkeypatch, tmp_path_factory
):
    """Data pull, model, backtest, result: without Jupyter, against the site."""
    pytest.importorskip("pandas")
    monkeypatch.setenv("CRUNCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parquet, "base", lambda: tmp_path / "site" / "backfill")
    monkeypatch.setattr(requests, "Session", lambda: site[0])
    feed = {"kind": "candle", "granularity": "1m"}
    folder = tmp_path_factory.mktemp("desk")
    with imported(lay_out(folder, pack, name="desk", feed=feed)) as package:
        text = (Path(package.__path__[0]) / "quick_start.ipynb").read_text()
        notebook = json.loads(text)
        cells = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
        assert (notebook["nbformat"], len(cells)) == (4, 5)
        names = {}
        for number, cell in enumerate(cells):
            exec(compile(cell, f"cell {number}", "exec"), names)
            names |= {"SINCE": DAYS[0], "UNTIL": DAYS[1]}
        assert names["result"].coverage == 1.0
        assert "<svg" in names["result"]._repr_html_()
        assert (tmp_path / "report" / "report.html").is_file()


MODELS = {
    "loud": ("print('x' * 100); return {'value': 1.0}", "ANSWERED", ""),
    "leaver": ("raise SystemExit(3)", "FAILED", "predict: SystemExit: 3 (leaver.py:5)"),
    "numpy": (
        "import numpy; return {'value': numpy.float32(1)}",
        "FAILED",
        "Object of type float32 is not JSON serializable; answer plain Python",
    ),
    "shy": ("return None", "FAILED", "value was None; it must be a number"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_misbehaves_costs_its_round_and_says_why(
    name, module, tmp_path, capsys
):
    body, outcome, reason = MODELS[name]
    path = tmp_path / f"{name}.py"
    path.write_text(
        "from tracker import TrackerBase\n\nclass Mine(TrackerBase):\n"
        f"    def predict(self, *arguments):\n        {body}\n"
    )
    made_up = module("made_up_data")
    runner = module("backtest").BacktestRunner(
        path, data=made_up.MadeUpData(), pull=False
    )
    result = runner.run(made_up.BEGIN, made_up.BEGIN + timedelta(minutes=3))
    assert [row["outcome"] for row in result.rounds] == [outcome] * 3
    assert all(reason in row["reason"] for row in result.rounds)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("x = 1", "needs one class of TrackerBase; it has none"),
        ("raise SystemExit", "cannot be loaded"),
    ],
)
def test_a_file_without_a_usable_model_is_refused(text, problem, module, tmp_path):
    path = tmp_path / "main.py"
    path.write_text(text)
    with pytest.raises(module("problems").InvalidInput, match=problem):
        module("backtest").model_of(tmp_path)


def test_a_report_is_one_page_with_its_charts(module, tmp_path):
    made_up = module("made_up_data")
    folder = Path(module("config").__file__).parent
    runner = module("backtest").BacktestRunner(
        folder / "examples" / "mean_reversion_tracker.py",
        data=made_up.MadeUpData(),
        pull=False,
    )
    result = runner.run(made_up.BEGIN, made_up.BEGIN + timedelta(hours=3))
    json_file, html_file = result.save(tmp_path / "out")
    found = json.loads(json_file.read_text())
    assert (found["digest"], found["scored"]) == (result.digest, 180)
    assert found["interval"][0] < found["mean_score"] < found["interval"][1]
    page = html_file.read_text()
    assert page.count("<svg") == 5
    assert "http" not in page
    assert result._repr_html_() in page
    assert "predictions=180" in repr(result)
