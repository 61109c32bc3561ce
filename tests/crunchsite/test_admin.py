"""Every admin page opens, stays cheap, and ledgers stay ledgers."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from kombu.exceptions import OperationalError

from competitions.admin.drafts import LedgerAdmin
from competitions.contract import CrunchConfig
from competitions.models import (
    Competition,
    ParticipantModel,
    Prediction,
    Round,
)
from competitions.slots import wire
from core import audit, clock
from core.admin.lists import MOST_COUNTED, BoundedPaginator
from scoring.models import Score
from tests import factories
from tests.conftest import NOW
from tests.feeds.factories import tape_away

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

LISTS = [
    reverse_name
    for model in admin.site._registry
    if (reverse_name := f"admin:{model._meta.app_label}_{model._meta.model_name}")
]
LEDGERS = [m for m, a in admin.site._registry.items() if isinstance(a, LedgerAdmin)]


@pytest.fixture
def client(client, operator):
    client.force_login(operator)
    return client


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_and_can_be_searched(client, world, name):
    path = reverse(f"{name}_changelist")
    assert client.get(path).status_code == 200
    assert client.get(path, {"q": "m1"}).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_every_row_opens(client, world, name):
    app, model = name.removeprefix("admin:").split("_")
    row = next(
        m
        for m in admin.site._registry
        if (m._meta.app_label, m._meta.model_name) == (app, model)
    ).objects.first()
    if row is not None:
        path = reverse(f"{name}_change", args=[row.pk])
        assert client.get(path).status_code == 200


def test_lists_cost_the_same_for_more_rows(client, frozen_clock):
    counts = []
    for slug, models in (("small", 2), ("large", 7)):
        factories.running_competition(
            at=frozen_clock, models=models, hours=2, slug=slug
        )
        counts.append(
            {name: statements(client, f"{name}_changelist") for name in LISTS}
        )
    for name in LISTS:
        assert counts[1][name] <= counts[0][name] + 1, name
    assert max(counts[1].values()) <= 14


def statements(client, name: str) -> int:
    with CaptureQueriesContext(connections["default"]) as queries:
        assert client.get(reverse(name)).status_code == 200
    return len(queries)


@pytest.mark.parametrize("model", LEDGERS, ids=lambda m: m.__name__)
def test_a_ledger_has_no_button_but_to_read(client, world, model):
    info = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert client.get(reverse(f"{info}_add")).status_code == 403
    row = model.objects.first()
    if row is None:
        return
    assert client.post(reverse(f"{info}_delete", args=[row.pk])).status_code == 403
    assert client.post(reverse(f"{info}_change", args=[row.pk]), {}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_competitions_and_schedules_are_never_deleted(client, world):
    for row in (world.competition, world.scheduled):
        name = f"admin:competitions_{row._meta.model_name}_delete"
        assert client.post(reverse(name, args=[row.pk])).status_code == 403


def test_big_tables_are_not_counted_to_the_end(world, django_assert_num_queries):
    with CaptureQueriesContext(connections["default"]) as queries:
        assert BoundedPaginator(Prediction.objects.all(), 50).count < MOST_COUNTED
    assert f"LIMIT {MOST_COUNTED}" in queries[0]["sql"]


def test_failed_texts_are_readable_in_the_list(client, world):
    score = Score.objects.first()
    Score.objects.filter(pk=score.pk).update(
        success=False, value=None, failed_reason="the truth has no return"
    )
    page = client.get(reverse("admin:scoring_score_changelist"), {"success__exact": 0})
    assert "the truth has no return" in page.content.decode()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config_path": "no.such.module:Thing"}, "no.such.module"),
        ({"slots": '{"NO_SUCH_SLOT": "a:b"}'}, "NO_SUCH_SLOT"),
    ],
)
def test_a_wiring_that_does_not_load_is_not_saved(client, world, change, named):
    path = reverse("admin:competitions_competition_change", args=[world.competition.pk])
    form = client.get(path).context["adminform"].form
    body = {name: form[name].value() for name in form.fields}
    prefix = "scheduled_predictions"
    body |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    body |= {"slots": "{}", "name": "Another name"}
    page = client.post(path, body | change)
    assert named in page.content.decode()
    assert Competition.objects.get().name == "BTC, one minute ahead"
    assert client.post(path, body).status_code == 302
    assert Competition.objects.get().name == "Another name"


def act(client, world, name: str, **body):
    path = reverse("admin:competition-act", args=[world.competition.pk, name])
    return client.post(path, body, follow=True) if body else client.get(path)


def test_an_action_says_its_effect_and_does_nothing_before_it_is_posted(client, world):
    page = act(client, world, "pause").content.decode()
    assert "No longer asked: 5 models." in page
    assert Competition.objects.get().status == "ACTIVE"


def test_an_action_needs_a_reason(client, world):
    act(client, world, "pause", reason=" ")
    assert Competition.objects.get().status == "ACTIVE"
    assert not LogEntry.objects.exists()


def test_pausing_and_activating_leave_a_trail(client, world):
    act(client, world, "pause", reason="exchange is down")
    assert Competition.objects.get().status == "PAUSED"
    act(client, world, "activate", reason="exchange is back")
    assert Competition.objects.get().status == "ACTIVE"
    assert [e.change_message for e in LogEntry.objects.order_by("pk")] == [
        "Pause: btc-demo is paused. ACTIVE to PAUSED. Reason: exchange is down",
        "Activate: btc-demo is active. PAUSED to ACTIVE. Reason: exchange is back",
    ]


def test_a_refusal_is_shown_and_not_recorded(client, world):
    Competition.objects.update(status="ENDED")
    page = act(client, world, "activate", reason="again").content.decode()
    assert "btc-demo was ENDED; it cannot run again." in page
    assert not LogEntry.objects.exists()


@pytest.fixture
def paused_with(client, world, monkeypatch):
    """The competition paused, and wired with another scorer."""
    Competition.objects.update(status="PAUSED")

    def rewire(**attributes):
        wiring = wire(CrunchConfig(**attributes), {})
        for module in ("crunchsite.operator.actions", "competitions.definition"):
            monkeypatch.setattr(f"{module}.wiring_of", lambda of: wiring)

    return rewire


def test_a_scorer_that_cannot_score_is_not_activated(client, world, paused_with):
    paused_with(scoring_function=lambda prediction, ground_truth: prediction["value"])
    said = "the scorer failed every trial: TypeError"
    assert said in act(client, world, "activate").content.decode()
    assert said in act(client, world, "activate", reason="go").content.decode()
    assert Competition.objects.get().status == "PAUSED"
    assert not LogEntry.objects.exists()


def test_a_stub_is_activated_with_a_warning(client, world, paused_with):
    paused_with(scoring_function=lambda prediction, ground_truth: {"value": 0.0})
    said = "the scorer gave 0 for every trial: is it a stub?"
    assert (
        f"Look at this first: {said}" in act(client, world, "activate").content.decode()
    )
    act(client, world, "activate", reason="go")
    assert Competition.objects.get().status == "ACTIVE"
    assert f"But {said}" in LogEntry.objects.get().change_message


def test_score_now_reports_what_it_did(client, world, tape):
    page = act(client, world, "score-now", reason="look").content.decode()
    assert "resolved" in page
    assert "Score now: 0 rounds resolved" in LogEntry.objects.get().change_message


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_rounds_that_no_worker_is_told_of_have_their_entry(client, world, at):
    """They are there, and Beat lets them be asked."""
    before = Round.objects.count()
    with (
        at(NOW + timedelta(seconds=7)),
        patch("celery.app.base.Celery.send_task", side_effect=OperationalError("no")),
    ):
        page = act(client, world, "predict-now", reason="look").content.decode()
    assert "The broker does not answer" in page
    assert Round.objects.count() == before + 1
    assert "Predict now: 1 round made" in LogEntry.objects.get().change_message


@pytest.mark.parametrize("name", ["pause", "end"])
def test_an_act_without_its_trail_is_none(client, world, monkeypatch, name):
    def lost(*args, **facts):
        raise OSError("the site was killed")

    monkeypatch.setattr(audit, "note", lost)
    act(client, world, name, reason="look")
    assert Competition.objects.get().status == "ACTIVE"


def test_predict_now_makes_the_rounds_of_this_instant(client, world, frozen_clock, at):
    before = Round.objects.count()
    with at(frozen_clock + timedelta(seconds=7)):
        act(client, world, "predict-now", reason="look")
    assert Round.objects.count() == before + 1
    assert Round.objects.waiting().get().slot_at == frozen_clock + timedelta(seconds=7)


def test_who_may_only_look_cannot_press(client, world):
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_competition"))
    client.force_login(viewer)
    assert act(client, world, "pause").status_code == 403
    assert act(client, world, "pause", reason="mine").status_code == 403
    assert Competition.objects.get().status == "ACTIVE"


def test_unknown_actions_are_404(client, world):
    assert act(client, world, "explode").status_code == 404


def dashboard(client) -> str:
    response = client.get("/admin/")
    assert response.status_code == 200
    return response.content.decode()


def test_the_dashboard_is_quiet_when_nothing_is_wrong(
    client, tape, frozen_clock, workers_alive
):
    made = factories.competition()
    factories.scheduled_prediction(made, next_slot_at=frozen_clock)
    assert "Nothing is stuck" in dashboard(client)


def test_the_dashboard_says_which_process_gives_no_sign_of_life(
    client, tape, frozen_clock, workers_alive
):
    cache.delete("heartbeat:scoring")
    page = dashboard(client)
    assert "The worker of scoring was not seen yet" in page
    cache.delete("heartbeat:beat")
    assert "Beat was not seen yet" in dashboard(client)


def test_an_active_competition_that_asks_nothing_is_an_alarm(client, world, fresh_feed):
    assert "nothing is scheduled" not in dashboard(client)
    world.competition.scheduled_predictions.update(active=False)
    assert "Active, but nothing is scheduled" in dashboard(client)


def test_a_quarantined_model_is_an_alarm_and_the_public_page_tells_it(
    client, world, fresh_feed
):
    why = (
        "quarantined: 5 times in a row its process ended (SIGSEGV): it printed nothing"
    )
    ParticipantModel.objects.filter(model_id="m1").update(
        state="STOPPED", last_error=why, last_error_at=clock.now()
    )
    assert "Quarantined, no longer asked: 1 model. 3 models running." in " ".join(
        dashboard(client).split()
    )
    assert "1 quarantined" in client.get("/").content.decode()
    ParticipantModel.objects.update(state="STOPPED", last_error=why)
    assert "0 models running." in dashboard(client)
    assert "none running; " in client.get("/").content.decode()


def test_a_round_that_nobody_answered_is_an_alarm_until_one_is_answered(
    client, world, fresh_feed
):
    newest, before = Round.objects.filter(performed_at__isnull=False)[:2]
    assert newest.slot_at > before.slot_at
    lost = {"outcome": "ABSENT", "reason": "the orchestrator cannot be reached"}
    told = "No model answered the newest round: the orchestrator cannot be reached"
    before.predictions.update(**lost)
    assert told not in dashboard(client)
    assert "none answered" not in client.get("/").content.decode()
    newest.predictions.update(**lost)
    page, (_, _, answered) = dashboard(client), Round.objects.all()[:3]
    assert told in page
    assert f'datetime="{answered.slot_at:%Y-%m-%dT%H:%M:%S}.000Z"' in page
    assert "running, none answered" in client.get("/").content.decode()
    Competition.objects.update(status="PAUSED")
    assert told not in dashboard(client)


def test_a_round_that_had_no_model_to_ask_is_an_alarm(client, world, fresh_feed):
    newest = Round.objects.filter(performed_at__isnull=False)[0]
    told = "No model answered the newest round: none takes part"
    assert told not in dashboard(client)
    newest.predictions.all().delete()
    assert told in dashboard(client)


def test_rounds_are_missed_since_the_first_that_was(client, world, fresh_feed):
    first, second = Round.objects.order_by("-slot_at")[:2]
    Round.objects.filter(pk__in=[first.pk, second.pk]).update(status="MISSED")
    Round.objects.filter(pk=first.pk).update(reason="the orchestrator is away")
    page = dashboard(client)
    assert "Missed, last hour: 2 rounds. The newest: the orchestrator is away" in page
    assert f'datetime="{second.slot_at:%Y-%m-%dT%H:%M:%S}.000Z"' in page


def test_a_void_of_the_operator_s_own_is_no_problem(client, world, fresh_feed):
    Round.objects.update(status="VOID", reason="the exchange was down")
    assert "Ended without a truth" not in dashboard(client)


def test_the_dashboard_says_what_is_stuck_and_since_when(
    client, world, frozen_clock, at
):
    factories.subscription(
        created_at=frozen_clock,
        consecutive_errors=3,
        last_error="503 from the exchange",
        first_error_at=frozen_clock - timedelta(minutes=7),
    )
    Round.objects.filter(status="RESOLVED").update(
        status="RECEIVED", resolved_at=None, actuals=None
    )
    with at(frozen_clock + timedelta(minutes=5)):
        page = dashboard(client)
    assert "Waiting for truth:" in page
    assert "3 pulls in a row failed: 503 from the exchange" in page
    assert "Failing: 1 of 5 models." in page
    for minutes in (7, 9):  # the feed's and the model's first error
        since = frozen_clock - timedelta(minutes=minutes)
        assert f'datetime="{since:%Y-%m-%dT%H:%M:%S}.000Z"' in page
    ParticipantModel.objects.update(first_error_at=None, state="RUNNING")
    assert "Failing:" not in dashboard(client)
    assert "Waiting for a transaction: 1 checkpoint." in page
    assert (
        reverse("admin:competition-act", args=[world.competition.pk, "score-now"])
        in page
    )


def test_the_dashboard_opens_and_says_so_when_the_tape_is_away(
    client, tape, frozen_clock
):
    with tape_away():
        page = dashboard(client)
    assert "the tape&#x27;s database failed: connection to server" in page


def test_the_dashboard_costs_the_same_for_more_competitions(client, tape, frozen_clock):
    counts = []
    for slug in ("one", "two", "three"):
        factories.running_competition(at=frozen_clock, models=2, hours=1, slug=slug)
        with CaptureQueriesContext(connections["default"]) as queries:
            dashboard(client)
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_the_admin_is_found_without_its_slash(client):
    assert client.get("/admin").headers["Location"] == "/admin/"


def test_the_clock_of_the_dashboard_is_the_sites(client, world, frozen_clock):
    assert clock.now() == frozen_clock
    assert "2026-03-02T12:00:00.000Z" in dashboard(client)


def test_lists_and_pages_of_predictions_show_a_cut_of_large_answers(
    admin_client, world
):
    Prediction.objects.update(output={"value": 1.0, "x": "y" * 10**6})
    page = admin_client.get("/admin/competitions/prediction/")
    assert (page.status_code, len(page.content) < 500_000) == (200, True)
    assert "yyyyyyyy…" in page.content.decode()
    pk = Prediction.objects.first().pk
    page = admin_client.get(f"/admin/competitions/prediction/{pk}/change/")
    assert "yyyyyyyy…" in page.content.decode()
    assert len(page.content) < 200_000
