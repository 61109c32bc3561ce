"""The operator's page that corrects what a checkpoint was paid with."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from emissions import transitions
from tests import factories
from tests.emissions.test_ledger import NOBODY

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=3, hours=3)


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("olga")


@pytest.fixture
def client(client, operator):
    client.force_login(operator)
    return client


TX = {"tx_hash": "0x2", "reason": "a typing mistake"}


def transaction_page(checkpoint):
    return reverse("admin:checkpoint-transaction", args=[checkpoint.pk])


@pytest.fixture
def submitted(world):
    checkpoint = world.checkpoints[0]
    return transitions.confirm(checkpoint_id=checkpoint.pk, tx_hash="0x1", user=NOBODY)


def test_a_wrong_transaction_is_corrected_on_a_page_with_a_trail(
    client, submitted, operator
):
    url = transaction_page(submitted)
    change = reverse("admin:emissions_checkpoint_change", args=[submitted.pk])
    assert (
        url
        in client.get(
            client.get(change).context["actions_detail"][0]["path"], follow=True
        ).request["PATH_INFO"]
    )
    page = client.get(url).content.decode()
    assert "The transaction 0x1 is replaced" in page
    assert "The status stays SUBMITTED." in page
    assert client.post(url, TX).url == change
    submitted.refresh_from_db()
    assert (submitted.tx_hash, submitted.status) == ("0x2", "SUBMITTED")
    entry = LogEntry.objects.get()
    assert entry.user == operator
    assert entry.change_message == (
        "Transaction corrected, 0x1 to 0x2. Reason: a typing mistake"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tx_hash": "0x 2"}, "must be printable ASCII without a space."),
        ({"tx_hash": "0x2\0"}, "must be printable ASCII without a space."),
        ({"tx_hash": "\u202e2"}, "must be printable ASCII without a space."),
        ({"tx_hash": "x" * 129}, "at most 128 characters"),
        ({"tx_hash": ""}, "This field is required."),
        ({"reason": ""}, "This field is required."),
        ({"reason": "x" * 301}, "at most 300 characters"),
        ({"tx_hash": "0x1"}, "has the transaction 0x1."),
    ],
)
def test_a_correction_that_cannot_be_is_told_on_the_page(
    client, submitted, wrong, said
):
    page = client.post(transaction_page(submitted), {**TX, **wrong})
    assert page.status_code == 200
    assert said in page.content.decode()
    submitted.refresh_from_db()
    assert submitted.tx_hash == "0x1"
    assert not LogEntry.objects.exists()


def test_nothing_is_corrected_before_it_was_submitted(client, world):
    page = client.post(transaction_page(world.checkpoints[0]), TX)
    assert "was PENDING; confirm it with its tx_hash." in page.content.decode()
    assert (
        client.get(reverse("admin:checkpoint-transaction", args=["none"])).status_code
        == 404
    )


def test_only_who_may_pay_corrects_a_transaction(client, submitted):
    viewer = User.objects.create_user("vera", is_staff=True)
    url = transaction_page(submitted)
    change = reverse("admin:emissions_checkpoint_change", args=[submitted.pk])
    for name, status in (("view", 403), ("settle", 302)):
        permission = Permission.objects.get(codename=f"{name}_checkpoint")
        viewer.user_permissions.add(permission)
        client.force_login(User.objects.get(pk=viewer.pk))
        assert client.post(url, TX).status_code == status
        shown = client.get(change)
        assert shown.status_code == 200
        assert ("Correct transaction" in shown.content.decode()) == (status == 302)
        assert "_save" not in shown.content.decode()
    client.logout()
    assert client.post(url, TX).status_code == 302  # to the login
    assert LogEntry.objects.count() == 1
