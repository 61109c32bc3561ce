"""The public pages, as a reader without JavaScript sees them."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from competitions.models import Competition, Prediction, Round
from crunchsite.site import board, predictions, series
from crunchsite.site.board import coverage_of
from scoring.models import Leaderboard, LeaderboardEntry, Score, Snapshot
from tests import factories
from tests.conftest import NOW
from tests.crunchsite.conftest import text

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def test_without_a_competition_the_page_says_what_to_do(client, frozen_clock):
    page = text(client.get("/"))
    assert "No competition yet" in page
    assert "activated" in page


def test_before_the_first_scores_the_page_says_when(client, world, frozen_clock):
    Leaderboard.objects.all().delete()
    page = text(client.get("/"))
    assert "The first scores are expected <time" in page
    # The round of 12:00:00 is resolvable at 12:01:00 and scoring looks each 10 s.
    assert 'datetime="2026-03-02T12:01:10.000Z"' in page


def test_an_ensemble_is_no_model_that_answered(client, world):
    answered = re.compile(r"\d+ of \d+ answered")
    before = answered.findall(text(client.get("/")))
    assert len(before) == 1
    factories.ensemble_answers(
        world.competition, [r for r in world.rounds if r.performed_at]
    )
    assert answered.findall(text(client.get("/"))) == before


def test_a_newer_round_does_not_put_the_first_scores_off(client, world, frozen_clock):
    """With a long horizon, many rounds wait: the oldest is scored first."""
    Leaderboard.objects.all().delete()
    oldest = Round.objects.filter(status="RESOLVED").earliest("slot_at")
    Round.objects.filter(pk=oldest.pk).update(
        status="RECEIVED",
        resolved_at=None,
        actuals=None,
        resolvable_at=frozen_clock + timedelta(seconds=20),
    )
    assert 'datetime="2026-03-02T12:00:30.000Z"' in text(client.get("/"))


def test_a_page_behind_the_end_of_the_board_does_not_deny_its_scores(client, world):
    page = text(client.get("/?after=6"))
    assert "The board ends before its place 7." in page
    assert "No scores yet" not in page


def test_the_csv_of_a_later_page_has_the_models_of_its_chart(
    client, world, monkeypatch
):
    monkeypatch.setattr(board, "PAGE_ROWS", 2)
    page = client.get("/?after=2")
    assert "the leading 2 models of this page" in text(page)
    address = re.search(r'href="(/scores.csv[^"]*)"', text(page))[1]
    header = text(client.get(unescape(address))).splitlines()[0]
    shown = [row.model.model_id for row in page.context["board"].rows]
    assert header.split(",") == ["at", *shown]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("PAUSED", "is paused; nothing is asked until an operator activates it"),
        ("ENDED", "has ended; nothing is asked any more"),
    ],
)
def test_without_scores_the_page_says_what_a_competition_waits_for(
    client, frozen_clock, status, words
):
    factories.competition(status=status)
    assert f"<p>The competition {words}.</p>" in text(client.get("/"))


def test_an_operator_is_told_where_the_local_models_are_if_they_are_elsewhere(
    client, operator, frozen_clock, settings
):
    client.force_login(operator)
    own = settings.ENV.local_models_competition
    for slug in (own, "second"):
        factories.competition(slug)
        page = text(client.get(f"/?competition={slug}"))
        assert "No model has joined." in page
        told = f"The local models take part in <code>{own}</code>"
        assert (told in page) == (slug != own)


def test_the_board_is_a_table_with_rank_name_score_and_coverage(client, world):
    page = text(client.get("/"))
    for name, owner in factories.NAMES[:6]:
        assert name in page
        assert owner in page
    assert page.index("Meridian") < page.index("Quiet Carry")
    assert page.count('class="spark"') == 6
    assert "100 %" in page
    assert "BTCUSDT, 1 min ahead, asked every 15 min" in page


@pytest.mark.parametrize(
    ("ranking_key", "coverage"), [("score_anchor", 0.5), ("ic", 1.0)]
)
def test_coverage_is_of_the_window_that_the_ranking_figure_covers(
    ranking_key, coverage
):
    """The database keeps the windows in an order of its own: by their names."""
    hours = {"score_anchor": 168, "score_recent": 24, "score_steady": 72, "ic": 24}
    board = Leaderboard(figures={name: {"hours": each} for name, each in hours.items()})
    samples = {
        "score_anchor": {"count": 50, "expected": 100},
        "score_recent": {"count": 20, "expected": 20},
        "score_steady": {"count": 30, "expected": 40},
    }
    entry = LeaderboardEntry(leaderboard=board, samples=samples)

    assert coverage_of(entry, ranking_key) == coverage
    assert coverage_of(LeaderboardEntry(leaderboard=board), ranking_key) is None


def test_the_heading_tells_of_all_questions(client, frozen_clock):
    made = factories.competition()
    for n in range(5):
        factories.scheduled_prediction(
            made, scope_key=f"q{n}", resolve_horizon_s=60 * n, order=n
        )
    page = text(client.get("/"))
    assert "BTCUSDT, known at once, asked every 15 min; BTCUSDT, 1 min ahead" in page
    assert "2 min ahead, asked every 15 min; and 2 more questions." in page


def test_an_unknown_score_is_a_dash_and_never_zero(client, world):
    last = text(client.get("/")).split("<tbody>")[1].split("</tbody>")[0].split("<tr>")
    assert '<td class="n key unknown">—</td>' in last[-1]


@pytest.mark.parametrize(
    ("contract", "summed"),
    [
        ("", "Mean"),
        ("competitions.packs.trading.trading_contract:CONTRACT", "Total"),
    ],
)
def test_the_pages_say_how_windows_sum_up(client, world, contract, summed):
    """What accounts gained is added up; scores are averaged."""
    Competition.objects.update(config_path=contract)
    model = Leaderboard.objects.get(is_newest=True).entries.order_by("rank")[0].model
    for address in ("/", f"/models/{model.model_id}"):
        assert f"<p>{summed} of the trailing 24 h" in text(client.get(address))
    rules = text(client.get("/rules"))
    assert f"<code>score_recent</code>, {summed.lower()} over the last hours" in rules


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(
    ("most", "step", "value"), [(500, "225 s", 2.0), (10, "1 h", 70.0)]
)
def test_a_young_competitions_chart_says_of_what_its_points_are(
    client, monkeypatch, most, step, value
):
    """With more rounds than can be drawn, the newest of them are not all."""
    world = factories.running_competition(at=NOW, models=1, hours=3)
    Score.objects.update(value=2.0)
    Snapshot.objects.update(value=70.0)
    monkeypatch.setattr(series, "MOST_ROUNDS", most)
    page = client.get(f"/models/{world.models[0].model_id}")
    assert f"Mean of the trailing 24 h; in grey, of each {step}</p>" in text(page)
    assert {v for _, row in page.context["chart_rows"] for v in row if v} == {value}


def test_drafts_are_not_shown(client, world):
    factories.competition("secret", status=Competition.Status.DRAFT)
    assert client.get("/?competition=secret").status_code == 404
    assert client.get("/?competition=nope").status_code == 404
    assert "secret" not in text(client.get("/"))


@pytest.mark.parametrize("path", ["/", "/rules", "/verify", "/witnesses"])
def test_links_stay_with_the_competition_that_was_chosen(client, world, path):
    factories.competition("second")
    page = text(client.get(f"{path}?competition=second"))
    links = re.findall(r'href="(/|/rules|/payouts|/verify|/witnesses)(\?[^"]*)?"', page)
    brand, *others = links
    assert brand == ("/", "")
    assert len(others) >= 5
    # The tabs of the first page lead to each competition.
    assert {asked for _, asked in others} - {"?competition=btc-demo"} == {
        "?competition=second"
    }


def test_feeds_are_in_the_navigation_only_when_there_are_any(client, world, fresh_feed):
    assert '<a href="/feeds"' in text(client.get("/"))
    # A candle is complete when it closes.
    assert 'datetime="2026-03-02T12:01:00.000Z"' in text(client.get("/"))
    assert "Feeds" in text(client.get("/feeds"))


def test_no_feeds_no_navigation(client, world, tape):
    assert '<a href="/feeds"' not in text(client.get("/"))


def test_a_refresh_is_the_content_without_the_frame(client, world):
    whole = client.get("/")
    part = client.get("/", headers={"HX-Request": "true"})
    assert b"<html" in whole.content
    assert b"<html" not in part.content
    assert b"Meridian" in part.content
    assert "HX-Request" in whole.headers["Vary"]


def test_an_unchanged_page_is_not_sent_again(client, world):
    first = client.get("/")
    assert "no-cache" in first.headers["Cache-Control"]
    again = client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_cannot_be_posted_to(client, world):
    for path in ("/", "/models/m1", "/feeds", "/leaderboard.csv"):
        assert client.post(path).status_code == 405


def test_a_model_page_tells_each_predictions_story(client, world, operator):
    page = text(client.get("/models/m5"))
    assert "Half-Life" in page
    assert "Last error" in page
    client.force_login(operator)
    page = text(client.get("/models/m5"))
    assert "window has 3 candles, 20 needed" in page
    assert "scored</span>" in page
    assert "truth at <time" in page
    assert 'data-style="until"' not in page  # "at in 52 s" is no English


def test_a_model_page_says_over_how_much_a_figure_was_computed(client, world):
    board = Leaderboard.objects.get()
    board.figures = {
        "ic": {"hours": 24, "unit": "rounds", "is_mean_of_snapshots": True},
        "hit_rate": {"hours": 24, "unit": "rounds", "is_mean_of_snapshots": False},
    }
    board.save()
    board.entries.update(counts={"ic": 93, "hit_rate": 93})
    page = text(client.get("/models/m1"))
    assert "<small>93 rounds in 24 h, mean of its snapshots</small>" in page
    assert "<small>93 rounds in 24 h</small>" in page
    board.entries.update(counts={})  # a board of before
    assert "rounds in 24 h" not in text(client.get("/models/m1"))


def test_an_answer_of_any_size_takes_a_line_of_the_page(client, world):
    Prediction.objects.filter(model__model_id="m1").update(
        output={"value": 1.0, "x": "<" * 16_000 + "\u202e"},
        reason="x" * 2_000,
    )
    page = client.get("/models/m1")
    assert "&quot;x&quot;: &quot;&lt;&lt;" in text(page)
    assert len(page.content) < 150_000


def test_older_predictions_are_one_page_further(client, world, monkeypatch):
    monkeypatch.setattr(predictions, "PAGE_ROWS", 20)
    page = client.get("/models/m1")
    assert "Older predictions" in text(page)
    older = client.get("/models/m1", {"cursor": page.context["following"]})
    assert "Older predictions" not in text(older)
    assert len(page.context["predictions"]) + len(older.context["predictions"]) == 25
    assert client.get("/models/m1?cursor=nonsense").status_code == 404


def test_every_way_a_prediction_can_end(client, world):
    resolved = Round.objects.filter(status="RESOLVED").order_by("slot_at")
    resolved.filter(pk=resolved.last().pk).update(
        status="UNRESOLVABLE", resolved_at=None, reason="the tape has a gap"
    )
    page = text(client.get("/models/m1"))
    assert "the tape has a gap" in page


def test_a_void_round_says_why_in_the_operators_words(client, world):
    Round.objects.filter(status="RESOLVED").update(
        status="VOID", reason="void: the exchange was closed"
    )
    page = text(client.get("/models/m1"))
    assert "void</span> <small>the exchange was closed</small>" in page


def test_unknown_models_are_404(client, world):
    assert client.get("/models/nobody").status_code == 404
    assert client.get("/models/m1?competition=nope").status_code == 404


def test_a_model_that_is_not_ranked_yet_says_so(client, world):
    Leaderboard.objects.all().delete()
    assert "Not ranked yet" in text(client.get("/models/m1"))


def test_a_name_cannot_run_as_markup(client, world):
    world.models[0].name = "<script>alert(1)</script>"
    world.models[0].save(update_fields=["name"])
    for path in ("/", "/models/m1"):
        assert "<script>alert" not in text(client.get(path))


def test_a_broken_contract_does_not_take_the_page_down(client, world):
    Competition.objects.update(config_path="no.such.module:Thing")
    page = text(client.get("/"))
    assert "Score Recent" in page
    assert "Meridian" in page


def test_pages_ask_nothing_of_another_host(client, world):
    for path in ("/", "/models/m1", "/feeds"):
        page = text(client.get(path)).replace("http://www.w3.org", "")
        assert "http://" not in page
        assert "https://" not in page


def test_statements_do_not_grow(client, frozen_clock):
    counts = []
    for slug, models in (("small", 2), ("large", 12)):
        factories.running_competition(
            at=frozen_clock, models=models, hours=8, slug=slug
        )
        counts.append(
            [
                statements(client, f"{path}?competition={slug}")
                for path in ("/", "/models/m1", "/feeds", "/leaderboard.csv")
            ]
        )
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 12


def statements(client, path: str) -> int:
    with (
        CaptureQueriesContext(connections["default"]) as domain,
        CaptureQueriesContext(connections["tape"]) as tape,
    ):
        text(client.get(path))
    return len(domain) + len(tape)


def test_the_heat_map_has_a_cell_for_each_pair(client, world):
    page = text(client.get("/diversity"))
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    assert body.count("<tr>") == 6
    assert body.count("<td") == 36
    assert body.count('class="own"') == 6
    assert "Meridian and Quiet Carry: " in body


def test_the_heat_map_of_a_lone_model_says_what_is_missing(client, frozen_clock):
    factories.competition()
    assert "Nothing to compare yet" in text(client.get("/diversity"))


def test_a_models_page_says_how_different_it_is_and_what_to_do(client, world):
    model = world.board.entries.first().model
    newest = Snapshot.objects.filter(model=model).latest("period_end")
    newest.result_summary = {"ic": 0.1, "model_correlation": 0.2}
    newest.save()
    page = text(client.get(f"/models/{model.model_id}"))
    assert "<dd>0.80<small>from 0, like the others, to 1, unlike all" in page
    assert "too few to rely on" in page
    assert "Unique alpha" not in page
    newest.prediction_count = 30
    newest.save()
    page = text(client.get(f"/models/{model.model_id}"))
    assert "too few to rely on" not in page
    assert "Unique alpha: your signal is both different and right." in page
    Snapshot.objects.create(  # the next hour has begun
        model=model,
        period_start=newest.period_end,
        period_end=newest.period_end + timedelta(hours=1),
        prediction_count=2,
        created_at=newest.created_at,
        updated_at=newest.updated_at,
        result_summary={},
    )
    page = text(client.get(f"/models/{model.model_id}"))
    assert "Unique alpha: your signal is both different and right." in page
