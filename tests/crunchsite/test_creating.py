"""Creating and changing competitions: the command, and the admin's pages."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connections, transaction
from django.forms import JSONField
from django.urls import reverse

from competitions import lifecycle
from competitions.errors import CompetitionExistsError
from competitions.models import Competition, Round, ScheduledPrediction
from core.errors import OperatorError
from core.facts import FactKind
from crunchsite.events.models import Event
from feeds.models import FeedSubscription
from scoring.models import Rescoring
from scoring.scores.store import current_version
from tests.waiting import is_waited_for, wait_for

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("frozen_clock"),
]
ADD = "admin:competitions_competition_add"


def test_the_command_makes_a_draft_and_says_what_it_asks(capsys):
    call_command(
        "create_competition", "eth-hourly", pack="realtime", subject=["ETHUSDT"]
    )
    made = Competition.objects.get()
    assert (made.slug, made.status, made.name) == ("eth-hourly", "DRAFT", "Eth Hourly")
    assert capsys.readouterr().out.splitlines() == [
        "eth-hourly is a draft, made from the pack realtime.",
        "  realtime-ethusdt: ETHUSDT, every 15 s, 1 min ahead",
    ]


def test_the_command_lets_it_run(capsys):
    call_command("create_competition", "now", activate=True)
    assert Competition.objects.get().status == "ACTIVE"
    assert FeedSubscription.objects.count() == 1
    assert "now is active." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pack": "moon"}, "pack was 'moon'"),
        ({"source": "nyse"}, "source was 'nyse'"),
        ({"granularity": "1h"}, "the horizon was 60 s"),
        ({"config_path": "moon:X"}, "moon"),
    ],
)
def test_the_command_refuses_in_words_and_leaves_nothing(options, said):
    with pytest.raises(OperatorError, match=said):
        call_command("create_competition", "x", activate=True, **options)
    assert not Competition.objects.exists()


def test_the_command_changes_none_that_exists():
    call_command("create_competition", "x")
    with pytest.raises(CompetitionExistsError, match="a competition x already"):
        call_command("create_competition", "x", pack="realtime")


@pytest.fixture
def client(client, operator):
    client.force_login(operator)
    return client


def added(client, **changes):
    body = {
        "slug": "eth",
        "name": "",
        "pack": "realtime",
        "config_path": "",
        "feed_source": "simulated",
        "subjects": "ETHUSDT",
        "feed_kind": "",
        "feed_granularity": "",
    }
    return client.post(reverse(ADD), body | changes)


def test_the_page_shows_every_pack_s_schedule_before_it_is_saved(client):
    page = client.get(reverse(ADD)).content.decode()
    assert "realtime-btc: every 15 s, 1 min ahead." in page
    assert "in-sample-btc" in page


def test_the_page_adds_a_whole_competition(client):
    assert added(client).status_code == 302
    made = Competition.objects.get()
    assert (made.slug, made.feed_granularity, made.status) == ("eth", "1s", "DRAFT")
    assert made.scheduled_predictions.get().subject == "ETHUSDT"
    assert "feed_granularity" in made.__dict__


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"slug": "Two Words"}, "slug"),
        ({"feed_source": "nyse"}, "feed_source"),
        ({"feed_granularity": "banana"}, "feed_granularity"),
        ({"feed_granularity": "1h"}, "feed_granularity"),
        ({"feed_kind": "smell"}, "feed_kind"),
        ({"subjects": "BTC USDT"}, "subjects"),
        ({"config_path": "moon:X"}, "config_path"),
        ({"pack": "moon"}, "pack"),
    ],
)
def test_an_error_stands_at_its_field(client, wrong, field):
    page = added(client, **wrong)
    assert page.status_code == 200
    assert list(page.context["adminform"].form.errors) == [field]
    assert not Competition.objects.exists()


def saved(client, competition, rows=(), **changes):
    """Post the change page as it is shown, with changes of it and of its schedule."""
    path = reverse("admin:competitions_competition_change", args=[competition.pk])
    shown = client.get(path).context
    form = shown["adminform"].form
    body = {name: form[name].value() for name in form.fields}
    (inline,) = shown["inline_admin_formsets"]
    body |= {
        inline.formset.management_form[name].html_name: value
        for name, value in inline.formset.management_form.initial.items()
    }
    for each in inline.formset.forms[: inline.formset.initial_form_count()]:
        body |= {each[name].html_name: each[name].value() for name in each.fields}
    prefix = inline.formset.prefix
    for i, row in enumerate(rows):
        body |= {f"{prefix}-{i}-{name}": value for name, value in row.items()}
        body[f"{prefix}-TOTAL_FORMS"] = max(i + 1, int(body[f"{prefix}-TOTAL_FORMS"]))
    body |= changes
    return client.post(
        path, {k: v for k, v in body.items() if v is not None}, follow=True
    )


@pytest.fixture
def running():
    call_command("create_competition", "btc", activate=True)
    return Competition.objects.get()


def test_the_slug_is_not_editable_once_it_runs(client, running):
    saved(client, running, slug="other", name="Another")
    running.refresh_from_db()
    assert (running.slug, running.name) == ("btc", "Another")


def test_a_schedule_added_on_the_page_runs_and_is_subscribed(
    client, running, frozen_clock
):
    new = {
        "scope_key": "eth",
        "scope_template": '{"subject": "ETHUSDT"}',
        "prediction_interval_s": 60,
        "resolve_horizon_s": 60,
        "active": "on",
        "order": 1,
    }
    saved(client, running, rows=[{}, new])
    added = ScheduledPrediction.objects.get(scope_key="eth")
    assert added.next_slot_at == frozen_clock + timedelta(minutes=1)
    assert FeedSubscription.objects.filter(subject="ETHUSDT").exists()


def test_a_schedule_stopped_and_taken_up_on_the_page(client, running, frozen_clock, at):
    scheduled = running.scheduled_predictions.get()
    saved(client, running, rows=[{"active": ""}])
    scheduled.refresh_from_db()
    assert (scheduled.active, scheduled.next_slot_at) == (False, None)
    with at(frozen_clock + timedelta(days=2)):
        saved(client, running, rows=[{"active": "on"}])
    scheduled.refresh_from_db()
    assert scheduled.next_slot_at == frozen_clock + timedelta(days=2, minutes=1)
    assert not Round.objects.exists()


def test_a_schedule_edited_on_its_own_page_is_a_change_of_the_rules(
    client, running, operator
):
    scheduled = running.scheduled_predictions.get()
    path = reverse("admin:competitions_scheduledprediction_change", args=[scheduled.pk])
    form = client.get(path).context["adminform"].form
    assert "competition" not in form.fields  # its rounds are of this one
    body = {name: form[name].value() for name in form.fields}
    body["prediction_interval_s"] = 30
    answer = client.post(path, {k: v for k, v in body.items() if v is not None})
    assert answer.status_code == 302
    newest = running.kept_rules.order_by("number").last()
    assert (newest.author, newest.reason) == (
        *(operator.get_username(), f"{scheduled.scope_key} changed"),
    )
    assert newest.rules["schedules"][scheduled.scope_key]["prediction_interval_s"] == 30
    told = Event.objects.get(kind=FactKind.RULE_CHANGED).payload
    assert (told["what"], told["schedules"]) == ("edited", [scheduled.scope_key])


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_a_schedule_is_saved_while_a_colleague_pauses(client, running):
    scheduled = running.scheduled_predictions.get()
    path = reverse("admin:competitions_scheduledprediction_change", args=[scheduled.pk])
    form = client.get(path).context["adminform"].form
    body = {name: form[name].value() for name in form.fields} | {"order": 7}

    def save():
        try:
            kept = {k: v for k, v in body.items() if v is not None}
            return client.post(path, kept).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Competition.objects.held().get(pk=running.pk)  # as the act begins
        saved = pool.submit(save)
        wait_for(lambda: is_waited_for() or saved.done())
        lifecycle.pause(competition_id=running.pk)
    assert saved.result(60) == 302
    scheduled.refresh_from_db()
    assert (scheduled.order, scheduled.next_slot_at) == (7, None)


def test_another_scorer_scores_in_a_version_of_its_own(client, world):
    page = saved(
        client,
        world.competition,
        slots='{"SCORING_FUNCTION": "competitions.defaults:scoring_function"}',
    )
    assert "of scoring version 2" in page.content.decode()
    assert current_version(world.competition) == 2
    assert Rescoring.objects.get().author == "olga"
    saved(client, world.competition, name="Only a name")
    assert current_version(world.competition) == 2


def test_an_edit_undoes_nothing_that_came_while_its_code_was_tried(
    client, running, monkeypatch
):
    """That takes seconds, in which a colleague may press End."""
    monkeypatch.setattr(
        "crunchsite.operator.competition_forms.try_apart",
        lambda **wiring: lifecycle.end(competition_id=running.pk),
    )
    slots = '{"SCORING_FUNCTION": "competitions.defaults:scoring_function"}'
    saved(client, running, slots=slots, name="Another")
    running.refresh_from_db()
    assert (running.name, running.status) == ("Another", "PAUSED")
    assert running.ending_at is not None


def test_a_feed_that_nobody_serves_is_refused_and_activating_says_why(client, running):
    Competition.objects.update(feed_source="nyse", status="PAUSED")
    path = reverse("admin:competition-act", args=[running.pk, "activate"])
    page = client.post(path, {"reason": "go"})
    assert page.status_code == 200
    assert "source was &#x27;nyse&#x27;" in page.content.decode()


def test_end_is_pressed_like_every_action(client, running):
    path = reverse("admin:competition-act", args=[running.pk, "end"])
    assert "Then its status is ENDED" in client.get(path).content.decode()
    client.post(path, {"reason": "it was fun"})
    running.refresh_from_db()
    assert running.ending_at is not None


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"slots": '{"SCORING_FUNCTION": "os:abort"}'}, "slots", "CALLABLE_PACKAGES"),
        ({"slots": '{"SCORING": "a:b"}'}, "slots", "is not a slot"),
        ({"slots": '{"SCORING_FUNCTION": 1}'}, "slots", "valid string"),
        ({"slots": '{"SCORING_FUNCTION": "one two"}'}, "slots", "match pattern"),
        ({"slots": "[1]"}, "slots", "valid dictionary"),
        ({"slots": "[" * 5000}, "slots", "nested deeper"),
        ({"slots": '{"a\\u0000": "b"}'}, "slots", "NUL"),
        ({"config_path": "var.models.x.main:Y"}, "config_path", "CALLABLE_PACKAGES"),
        ({"config_path": "os:environ"}, "config_path", "CALLABLE_PACKAGES"),
    ],
)
def test_a_wiring_that_cannot_be_is_refused_at_its_field(
    client, running, changes, field, said
):
    before = Competition.objects.values().get()
    page = saved(client, running, **changes)
    errors = page.context["adminform"].form.errors
    assert list(errors) == [field]
    assert said in str(errors[field])
    assert Competition.objects.values().get() == before


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("[1]", "valid dictionary"),
        ("3", "valid dictionary"),
        ('{"subject": [1]}', "subject: Input should be a valid string"),
        ('{"subject": ""}', "subject: String should have at least 1 character"),
        ('{"subject": "BTCUSDT", "step_seconds": "1"}', "step_seconds: "),
        ('{"subject": "BTCUSDT", "horizon": 0}', "horizon: "),
        ('{"subject": "a\\u0000"}', "NUL"),
        ("[" * 5000, "nested deeper"),
        ('{"step": 1e999}', "too large"),
    ],
)
def test_a_scope_that_cannot_be_is_refused_at_its_field(client, running, scope, said):
    page = saved(client, running, rows=[{"scope_template": scope}])
    (inline,) = page.context["inline_admin_formsets"]
    assert list(inline.formset.errors[0]) == ["scope_template"]
    assert said in str(inline.formset.errors[0]["scope_template"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fallbacks": '{"a": 1}'}, "fallbacks"),
        ({"fallbacks": "[1]"}, "fallbacks"),
        ({"fallbacks": '["nyse"]'}, "fallbacks"),
        ({"fallbacks": "[" * 5000}, "fallbacks"),
        ({"subject": "a b"}, "subject"),
        ({"source": "nyse"}, "source"),
        ({"kind": "smell"}, "kind"),
    ],
)
def test_a_feed_that_cannot_be_is_refused_at_its_field(client, running, changes, field):
    row = FeedSubscription.objects.get()
    path = reverse("admin:feeds_feedsubscription_change", args=[row.pk])
    form = client.get(path).context["adminform"].form
    body = {name: form[name].value() for name in form.fields} | changes
    page = client.post(path, {k: v for k, v in body.items() if v is not None})
    assert list(page.context["adminform"].form.errors) == [field]


def test_every_json_field_that_can_be_edited_has_a_shape(rf, operator):
    request = rf.get("/")
    request.user = operator
    shaped = []
    for model, site in admin.site._registry.items():
        sites = [site, *(i(model, admin.site) for i in getattr(site, "inlines", []))]
        for each in sites:
            if not each.has_change_permission(request):
                continue
            form = each.get_formset(request).form if each is not site else None
            form = form or site.get_form(request, model(), change=True)
            for name, field in form.base_fields.items():
                if isinstance(field, JSONField):
                    assert field.shape is not None, (model, name)
                    shaped.append(name)
    assert sorted(shaped) == [
        *("fallbacks", "meta", "scope_template", "scope_template", "slots")
    ]


@pytest.fixture
def changer():
    """Staff who may change and add competitions, and is no superuser."""
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="competitions")
    )
    return user


def test_the_wiring_is_for_superusers_alone(client, running, changer):
    client.force_login(changer)
    saved(client, running, config_path="competitions.contract", name="Other")
    running.refresh_from_db()
    assert (running.config_path, running.name) == ("", "Other")
    assert added(client, config_path="competitions.contract").status_code == 302
    assert Competition.objects.get(slug="eth").config_path == ""
