"""Every list, form, action and page of the admin meets nasty values: none fails.

The cases are made from what is registered, so a new page is fuzzed without a line here.
"""

import re
from itertools import count
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from competitions.models import Competition
from core.admin.strict import EdgeAdmin
from feeds.models import FeedSubscription
from tests import factories
from tests.fakes.requests import IN_FIELDS, shared, undrawn

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.timeout(600),  # thousands of requests, on a busy machine too
]

NO_KEYS = ["a", "\0", "9" * 30, "-1", "\ud800", "[" * 500, ""]
IN_LISTS = ["%00", "%ff", "a", "9" * 30, "[" * 500]
SITES = list(admin.site._registry.items())


@pytest.fixture
def world(db, frozen_clock):
    factories.subscription()
    return factories.running_competition(at=frozen_clock, models=2, hours=1)


@pytest.fixture
def client(world, operator, tape):
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    return client


def name_of(model, page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


@pytest.mark.parametrize(
    ("model", "site"), SITES, ids=lambda each: getattr(each, "__name__", "")
)
def test_any_parameter_of_a_list(client, model, site):
    filters = [f[0] if isinstance(f, tuple) else f for f in site.list_filter]
    names = [
        *("q", "o", "p", "e", "all", "_popup", "_to_field", "id__exact", "pk"),
        *(f"{name}{end}" for name in filters for end in ("__exact", "__id__exact")),
        *("password__startswith", "x__y__z", "_facets", "_changelist_filters"),
    ]
    wrong, of_all = {}, [each for each, _ in SITES].index(model)
    for i, name in enumerate(shared(names, of_all)):  # all lists share one view
        for value in shared(IN_LISTS, i):
            url = f"{reverse(name_of(model, 'changelist'))}?{name}={value}"
            if (status := client.get(url).status_code) >= 500:
                wrong[url] = status
    assert wrong == {}


def test_any_choice_of_an_action(client):
    wrong, askers = {}, count()
    for model, site in SITES:
        url = reverse(name_of(model, "changelist"))
        for action in ["delete_selected", *(site.actions or []), "nope", "\0"]:
            for key in shared(NO_KEYS, next(askers)):
                more_of = ({}, {"index": "x"}, {"select_across": key, "post": key})
                for more in shared(more_of, next(askers)):
                    body = {"action": action, "_selected_action": key, **more}
                    with transaction.atomic():  # or nobody is logged in any more
                        status = client.post(url, encodable(body)).status_code
                        transaction.set_rollback(True)
                    if status >= 500:
                        wrong[url, str(body)[:90]] = status
    assert wrong == {}
    assert client.get(reverse("admin:index")).status_code == 200


def encodable(body: dict[str, Any]) -> dict[str, Any]:
    """As bytes on the wire: a lone surrogate is broken UTF-8 there."""
    return {
        name: value.encode(errors="surrogatepass").decode("latin-1")
        if isinstance(value, str) and "\ud800" in value
        else value
        for name, value in body.items()
    }


def filled(form, prefix: str = "") -> dict[str, Any]:
    """What a browser sends of a form that nobody touched."""
    sent = {}
    for field in form:
        value = field.value()
        if isinstance(value, list | tuple | set):
            sent[field.html_name] = [str(getattr(v, "pk", v)) for v in value]
        elif value is not None and value is not False:
            shown = field.field.prepare_value(value)
            parts = getattr(field.field.widget, "decompress", None)
            if parts is not None:
                for i, part in enumerate(parts(value)):
                    sent[f"{field.html_name}_{i}"] = "" if part is None else str(part)
            else:
                sent[field.html_name] = str(shown)
        elif value is None and not field.field.required:
            sent[field.html_name] = ""
    return sent


@pytest.mark.parametrize("page", ["add", "change"])
@pytest.mark.parametrize(
    ("model", "site"),
    [(m, s) for m, s in SITES if m._meta.app_label != "axes"],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_any_value_in_a_form(client, model, site, page):
    row = model.objects.order_by("pk").last()
    if page == "change" and (row is None or model is User):
        return
    url = reverse(name_of(model, page), args=[row.pk] if page == "change" else [])
    shown, wrong = client.get(url), {}
    if shown.status_code == 200 and site.has_change_permission(shown.wsgi_request):
        body = filled(shown.context["adminform"].form)
        for inline in shown.context["inline_admin_formsets"]:
            body |= filled(inline.formset.management_form)
            for form in inline.formset.forms[:1]:
                body |= filled(form)
        assert body
        untouched = {name for name, value in body.items() if name.endswith("_FORMS")}
        names = sorted(body.keys() - untouched - {"csrfmiddlewaretoken"})
        # Each field meets some of the values alone, and all fields each value at once.
        alone = [
            ({name: value}, name, value)
            for i, name in enumerate(names)
            for value in shared(IN_FIELDS, i)[:2]
        ]
        together = [(dict.fromkeys(names, v), "all", v) for v in IN_FIELDS]

        def post(changes, name, value):
            status = client.post(url, encodable({**body, **changes})).status_code
            if status >= 500:
                wrong[url, name, value[:30]] = status

        for each in together:
            post(*each)
        with undrawn(also_in_full=False):  # all together, each was drawn in its field
            for each in alone:
                post(*each)
        for i, name in enumerate(sorted(untouched)):
            for value in shared(("", "a", "-1", "\0"), i):
                status = client.post(url, {**body, name: value}).status_code
                if status >= 500:
                    wrong[url, name, value] = status
    assert wrong == {}


def test_any_value_in_a_page_with_a_reason(client, world):
    competition, wrong = world.competition, {}
    urls = [
        *(
            reverse("admin:competition-act", args=[competition.pk, name])
            for name in ("activate", "pause", "nope")
        ),
        *(
            reverse("admin:competition-correct", args=[competition.pk, kind])
            for kind in ("rescore", "void", "nope")
        ),
        reverse("admin:local-model-add"),
        reverse("admin:login"),
    ]
    names = ["reason", "start", "end", "scope_key", "previewed", "name", "next"]
    for i, url in enumerate(urls):
        for j, name in enumerate(names):
            for value in shared(IN_FIELDS, i + j):
                body = {"reason": "r", "start": "", "apply": "1", name: value}
                status = client.post(url, encodable(body)).status_code
                if status >= 500:
                    wrong[url, name, value[:30]] = status
    assert wrong == {}


def test_the_public_pages_stand_whatever_was_saved(client, world):
    for value in ("[1]", '"x"', "null", "{}", '{"subject": [1]}'):
        schedule = world.scheduled
        url = reverse(name_of(type(schedule), "change"), args=[schedule.pk])
        form = client.get(url).context["adminform"].form
        client.post(url, {**filled(form), "scope_template": value})
        for page in ("/", "/models/m1", "/reports/schema", "/feeds"):
            assert client.get(page).status_code == 200, (value, page)
    assert Competition.objects.count() == 1


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("action", ["poll_now", "activate", "pause"])
def test_who_may_only_view_feeds_has_no_action_on_them(world, tape, action):
    viewer = staff("view_feedsubscription")
    row = FeedSubscription.objects.get()
    url = reverse("admin:feeds_feedsubscription_changelist")
    viewer.post(url, {"action": action, "_selected_action": row.pk})
    before = row.active, row.next_poll_at
    row.refresh_from_db()
    assert (row.active, row.next_poll_at) == before
    assert not re.search('value="(poll_now|pause)"', viewer.get(url).content.decode())


def test_each_action_of_a_list_names_its_permission():
    for site in (site for _, site in SITES if isinstance(site, EdgeAdmin)):
        for name in site.actions or []:
            action = getattr(site, name, name)
            assert getattr(action, "allowed_permissions", None), (site, name)
