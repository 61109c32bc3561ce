"""The operator's correction pages: preview, apply, trail, and what participants see."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from competitions.models import Round
from core import audit
from crunchsite.operator import correcting, previews
from crunchsite.operator.correcting import slope
from scoring.models import Rescoring, Score, Snapshot, VoidWindow
from scoring.moves import Move

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
HOUR = timedelta(hours=1)


@pytest.fixture
def client(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def correct(client, world, frozen_clock):
    """Post the page of a kind for the hour before now, with changes; or open it."""

    def post(kind, **changes):
        url = reverse("admin:competition-correct", args=[world.competition.pk, kind])
        if not changes:
            return client.get(url)
        body = {
            "start": (frozen_clock - HOUR).strftime("%Y-%m-%dT%H:%M:%S"),
            "end": frozen_clock.strftime("%Y-%m-%dT%H:%M:%S"),
            "reason": "the exchange was down",
        }
        return client.post(url, {**body, **changes})

    return post


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def applied(correct, kind, **changes):
    token = correct(kind, preview="1", **changes).context["token"]
    return correct(kind, apply="1", previewed=token, **changes)


@pytest.mark.parametrize("kind", ["rescore", "void"])
def test_the_page_offers_the_last_closed_period(correct, kind):
    page = correct(kind).content.decode()
    assert 'value="2026-03-02T11:00:00"' in page
    assert 'value="2026-03-02T12:00:00"' in page
    assert ("every scope" in page) == (kind == "void")


@pytest.mark.parametrize("kind", ["rescore", "void"])
def test_a_preview_shows_the_moves_and_changes_nothing(correct, kind):
    before = (Score.objects.count(), list(Snapshot.objects.values()))
    response = correct(kind, preview="1")
    page = response.content.decode()
    shown = response.context["shown"]
    assert "What would happen" in page
    assert shown.moves
    for move in shown.moves:
        assert f'<th scope="row">{move.model_id}</th>' in page
    assert (Score.objects.count(), list(Snapshot.objects.values())) == before
    assert not Rescoring.objects.exists()
    assert not VoidWindow.objects.exists()
    assert not LogEntry.objects.exists()


def test_what_was_previewed_is_applied_and_leaves_a_trail(correct, operator):
    response = applied(correct, "rescore")
    assert response.status_code == 302
    row = Rescoring.objects.get()
    assert (row.author, row.reason) == ("olga", "the exchange was down")
    entry = LogEntry.objects.get()
    assert entry.user == operator
    assert entry.change_message.startswith(
        "Score again: [2026-03-02 11:00:00, 2026-03-02 12:00:00) UTC, every scope. "
        "4 rounds, "
    )
    assert entry.change_message.endswith("Reason: the exchange was down")


def test_a_correction_without_its_trail_is_none(correct, monkeypatch):
    def lost(*args, **facts):
        raise OSError("the worker was killed")

    monkeypatch.setattr(audit, "note", lost)
    with pytest.raises(OSError, match="was killed"):
        applied(correct, "void")
    assert not VoidWindow.objects.exists()
    assert not Round.objects.filter(status="VOID").exists()


def test_a_void_window_of_one_scope_is_applied(correct, world):
    applied(correct, "void", scope_key="BTCUSDT-60")
    assert VoidWindow.objects.get().scope_key == "BTCUSDT-60"
    assert Round.objects.filter(status="VOID").count() == 4
    assert "BTCUSDT-60" in LogEntry.objects.get().change_message


@pytest.mark.parametrize("previewed", ["", "forged", "other"])
def test_nothing_is_applied_that_was_not_previewed(correct, previewed):
    if previewed == "other":
        later = correct("void", preview="1", start="2026-03-02T11:30:00")
        previewed = later.context["token"]
    response = correct("void", apply="1", previewed=previewed)
    assert response.status_code == 200
    assert "Nothing has been changed yet" in response.content.decode()
    assert not VoidWindow.objects.exists()


@pytest.mark.parametrize("kind", ["rescore", "void"])
def test_a_preview_is_applied_once(correct, kind):
    token = correct(kind, preview="1").context["token"]
    assert correct(kind, apply="1", previewed=token).status_code == 302
    again = correct(kind, apply="1", previewed=token)
    assert "something was corrected since the preview" in text(again)
    assert Rescoring.objects.count() + VoidWindow.objects.count() == 1
    assert LogEntry.objects.count() == 1


def test_a_preview_is_not_applied_after_another_correction(correct):
    token = correct("void", preview="1").context["token"]
    applied(correct, "rescore")
    page = text(correct("void", apply="1", previewed=token))
    assert "something was corrected since the preview" in page
    assert not VoidWindow.objects.exists()


def test_a_correction_made_while_another_is_applied_refuses_it(correct, monkeypatch):
    """Both have read the same state; the lock lets one of them through."""
    applied(correct, "rescore")
    monkeypatch.setattr(correcting, "newest", lambda competition_id: (0, 0))
    page = text(applied(correct, "void"))
    assert "was corrected after the preview; preview it again" in page
    assert not VoidWindow.objects.exists()


def test_a_preview_of_long_ago_is_not_applied(correct, monkeypatch):
    token = correct("void", preview="1").context["token"]
    monkeypatch.setattr(previews, "PREVIEW_IS_GOOD_FOR_S", -1)
    assert "it was too long ago" in text(correct("void", apply="1", previewed=token))
    assert not VoidWindow.objects.exists()


def test_a_refusal_is_shown(correct):
    page = correct("rescore", preview="1", start="2026-03-02T11:30:00")
    assert "no closed snapshot period lies inside" in page.content.decode()
    page = correct("void", preview="1", end="2026-03-02T10:00:00")
    assert "it must not be empty" in page.content.decode()


def test_a_reason_is_needed(correct):
    response = correct("void", apply="1", reason=" ")
    assert response.context["form"].errors["reason"] == ["This field is required."]
    assert not VoidWindow.objects.exists()


def test_who_may_only_look_cannot_correct(client, correct):
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_competition"))
    client.force_login(viewer)
    assert correct("void").status_code == 403
    assert correct("void", preview="1").status_code == 403


def test_an_unknown_correction_is_404(correct):
    assert correct("forget").status_code == 404


@pytest.mark.parametrize("kind", ["rescore", "void"])
def test_what_was_corrected_is_listed(client, correct, kind):
    applied(correct, kind)
    model = {"rescore": Rescoring, "void": VoidWindow}[kind]
    name = f"admin:scoring_{model._meta.model_name}"
    assert "the exchange was down" in text(client.get(reverse(f"{name}_changelist")))
    page = client.get(reverse(f"{name}_change", args=[model.objects.get().pk]))
    assert "olga" in text(page)


def test_participants_see_why_a_round_is_void(client, correct):
    scored = Score.objects.filter(
        prediction__round__slot_at__gte="2026-03-02T11:00:00Z"
    )
    model_id = scored.first().prediction.model.model_id
    applied(correct, "void")
    page = client.get(f"/models/{model_id}").content.decode()
    assert "void</span> <small>the exchange was down</small>" in page
    rows = client.get(
        "/reports/predictions",
        {"projectIds": model_id, "start": "2026-03-02T11:00:00Z"},
    ).json()
    assert [row["score_failed_reason"] for row in rows[:4]] == [
        "void: the exchange was down"
    ] * 4
    assert {row["score_value"] for row in rows[:4]} == {None}
    assert all(row["score_failed"] for row in rows[:4])


def test_the_slope_has_a_line_for_each_ranked_mover_or_none_at_all():
    moves = [Move("a", 2, 1, 1.0, 2.0), Move("b", 1, 2, 1.5, 1.5)]
    up, down = slope([*moves, Move("c", None, 3, None, 1.0)])
    assert (up.before, up.after, up.tone) == (33.0, 11.0, "up")
    assert (down.before, down.after, down.tone) == (11.0, 33.0, "down")
    assert slope([*moves, Move("z", 700, 1, 0.0, 9.0)]) == []
    assert slope([Move("a", 1, 1, 1.0, 2.0)]) == []


def test_superseded_snapshots_are_marked(client, correct):
    applied(correct, "rescore")
    path = reverse("admin:scoring_snapshot_changelist")
    page = client.get(path, {"superseded_at__isempty": "0"}).content.decode()
    assert "superseded" in page
    assert (
        page.count('class="field-revision')
        == Snapshot.objects.filter(superseded_at__isnull=False).count()
    )
