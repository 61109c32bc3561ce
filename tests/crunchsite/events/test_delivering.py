"""Events reach their receivers, and a bad receiver delays no other."""

import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from django.db import connections, transaction
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from core import clock, public_addresses
from core.facts import Fact, FactKind, announce
from crunchsite.events import (
    delivering,
    outbox,
    prune_events,
    secrets,
    sending,
    webhooks,
)
from crunchsite.events.models import Delivery, Event, Webhook
from tests import factories
from tests.conftest import NOW
from tests.crunchsite.events.receivers import Receiver, receiving

NOBODY = SimpleNamespace(pk=None)
pytestmark = pytest.mark.django_db


def happen(*names: str, kind=FactKind.FEED_STALE, **fields) -> None:
    with transaction.atomic():
        announce(*(Fact(kind, payload={"name": name}, **fields) for name in names))
    outbox.number_events()


def turn(webhook: Webhook) -> int:
    """Claim and serve a receiver, at an instant when none pauses."""
    Webhook.objects.update(rests_until=None)
    Delivery.objects.filter(next_at__isnull=False).update(next_at=clock.wall_now())
    assert webhook.pk in delivering.claim(10)
    Webhook.objects.exclude(pk=webhook.pk).update(busy_until=None)
    return delivering.take_turn(webhook.pk)


def names(receiver) -> list[str]:
    return [json.loads(body)["data"]["name"] for _, body in receiver.got]


def test_what_arrives_is_the_event_signed_as_the_package_verifies(receive):
    webhook, receiver = receive(204)
    happen("one")
    assert turn(webhook) == 1
    ((headers, body),) = receiver.got
    event = Event.objects.get()
    secret = secrets.unseal(webhook.secret)
    assert Signer(secret).verify(body, headers) == event.document()
    assert headers["webhook-id"] == f"evt_{event.number}"
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Signer(secrets.make_secret()).verify(body, headers)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_status) == (
        *("delivered", 1, 204),
    )


def test_after_500_it_is_tried_again_with_the_same_id_and_rests_meanwhile(receive):
    webhook, receiver = receive(500, 200)
    happen("one")
    before = clock.wall_now()
    assert turn(webhook) == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == ("failing", "answered 500")
    wait_s = (delivery.next_at - before).total_seconds()
    assert wait_s >= 5
    webhook.refresh_from_db()
    assert webhook.failures == 1
    assert webhook.rests_until > before
    assert delivering.claim(10) == []

    assert turn(webhook) == 1
    delivery.refresh_from_db()
    webhook.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (
        *("delivered", 2, ""),
    )
    assert (webhook.failures, webhook.failing_since, webhook.rests_until) == (
        *(0, None, None),
    )
    first, second = (headers["webhook-id"] for headers, _ in receiver.got)
    assert first == second


def test_a_receiver_that_fails_is_not_asked_for_the_rest_of_its_turn(receive):
    webhook, receiver = receive(503)
    happen("one", "two", "three")
    assert turn(webhook) == 1
    assert names(receiver) == ["one"]


def test_events_arrive_in_their_order(receive):
    webhook, receiver = receive(200)
    happen(*(f"{i:03d}" for i in range(120)))
    assert turn(webhook) == 120
    assert names(receiver) == sorted(names(receiver))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receive, status):
    webhook, receiver = receive(status)
    happen("one")
    assert turn(webhook) == 1
    assert len(receiver.got) == 1
    assert Delivery.objects.get().last_error == (
        f"answered {status}; redirects are not followed"
    )


def hang(receiver, handler):
    receiver.may_end.wait(300)


def drip(receiver, handler):
    """Answers that only announce the next one, without an end, each of them in time."""
    while not receiver.may_end.wait(0.05):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        handler.wfile.flush()


def flood(receiver, handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(2**30))
    handler.end_headers()
    receiver.sent = 0
    for _ in range(2**10):
        handler.wfile.write(b"x" * 2**20)
        receiver.sent += 2**20


def nonsense(receiver, handler):
    handler.wfile.write(b"what?\r\n\r\n")


def test_one_that_hangs_costs_its_own_delivery(receive, monkeypatch):
    monkeypatch.setattr(sending, "READ_S", 0.2)
    webhook, _ = receive(manner=hang)
    happen("one")
    turn(webhook)
    assert Delivery.objects.get().last_error == "no answer in time"


def test_one_whose_answer_has_no_end_is_cut_off(receive, monkeypatch):
    monkeypatch.setattr(public_addresses, "WHOLE_S", 0.5)
    webhook, _ = receive(manner=drip)
    happen("one")
    turn(webhook)
    delivery = Delivery.objects.get()
    assert delivery.state == "failing"
    assert delivery.last_status is None


def test_of_an_answer_of_1_gb_the_status_alone_is_read(receive):
    webhook, receiver = receive(manner=flood)
    happen("one")
    turn(webhook)
    assert Delivery.objects.get().state == "delivered"
    assert receiver.sent < 2**27


def redirect_without_end(receiver, handler):
    handler.send_response(302)
    handler.send_header("Location", receiver.url)
    handler.end_headers()
    receiver.may_end.wait(60)


def test_the_body_of_a_redirect_is_not_read(receive, monkeypatch):
    """It could grow a thousandfold when it is unpacked."""
    monkeypatch.setattr(public_addresses, "WHOLE_S", 20)  # less than the body takes
    webhook, _ = receive(manner=redirect_without_end)
    happen("one")
    turn(webhook)
    delivery = Delivery.objects.get()
    assert delivery.last_status == 302
    assert delivery.last_error == "answered 302; redirects are not followed"


def test_one_that_talks_nonsense_or_is_gone_is_a_failure_in_words(receive):
    webhook, _ = receive(manner=nonsense)
    gone, _ = receive()
    Webhook.objects.filter(pk=gone.pk).update(url="http://127.0.0.1:1")
    happen("one")
    turn(webhook)
    turn(gone)
    errors = dict(Delivery.objects.values_list("webhook", "last_error"))
    assert "what?" in errors[webhook.pk]
    assert "refused" in errors[gone.pk]
    assert "object at 0x" not in "".join(errors.values())


@pytest.mark.django_db(transaction=True)
def test_others_are_served_while_one_hangs(receive):
    _, receiver = receive(manner=hang)
    _, other = receive(200)
    happen("one")
    hanging, done = delivering.begin_turns()  # in the order in which they were made
    assert done.result(60) == 1
    happen("two")
    (again,) = delivering.begin_turns()  # the one that hangs is busy
    assert again.result(60) == 1
    assert names(other) == ["one", "two"]
    assert not hanging.done()
    receiver.may_end.set()
    assert hanging.result(60) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_claim_a_receiver_once_and_a_dead_ones_claim_runs_out(receive):
    webhook, _ = receive(200)
    happen("one")
    assert delivering.claim(10) == [webhook.pk]
    assert delivering.claim(10) == []
    Webhook.objects.update(busy_until=clock.wall_now())
    assert delivering.claim(10) == [webhook.pk]


def test_whoever_has_lost_the_claim_changes_nothing(receive):
    webhook, _ = receive(200)
    happen("one")
    stale = Delivery.objects.select_related("event").get()
    assert turn(webhook) == 1
    delivering._keep(webhook, stale, sending.Outcome(500, "answered 500"))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    webhook.refresh_from_db()
    assert webhook.failures == 0


def test_after_days_it_is_given_up_with_the_reason(receive):
    webhook, _ = receive(500)
    happen("one", "two")
    turn(webhook)
    Delivery.objects.update(give_up_at=clock.wall_now())
    Webhook.objects.update(rests_until=None)
    Delivery.objects.update(next_at=clock.wall_now())
    assert turn(webhook) == 0
    for delivery in Delivery.objects.all():
        assert delivery.state == "given up"
        assert delivery.last_error == "given up: answered 500"
    assert delivering.claim(10) == []


def test_what_was_not_due_in_time_is_not_said_to_have_failed(receive):
    webhook, _ = receive(500, 200)
    happen("one")
    assert turn(webhook) == 1
    assert turn(webhook) == 1  # it has arrived, and the receiver does well
    happen("two")
    Delivery.objects.filter(next_at__isnull=False).update(
        next_at=clock.wall_now(), give_up_at=clock.wall_now()
    )
    webhook.refresh_from_db()
    delivering.give_up(webhook)
    newest = Delivery.objects.order_by("pk").last()
    assert newest.last_error == "given up: it was not due in time"


def test_a_replay_is_sent_again_with_its_id(receive):
    webhook, receiver = receive(200)
    happen("one")
    turn(webhook)
    delivery = Delivery.objects.get()
    assert webhooks.replay(deliveries=[delivery.pk], user=NOBODY) == 1
    assert webhooks.replay(deliveries=[delivery.pk], user=NOBODY) == 0  # it waits
    turn(webhook)
    assert names(receiver) == ["one", "one"]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert Delivery.objects.get().state == "delivered"


def test_for_a_while_after_a_rotation_both_secrets_verify(receive):
    webhook, receiver = receive(200)
    old = secrets.unseal(webhook.secret)
    new = webhooks.rotate_secret(webhook_id=webhook.pk, reason="leak", user=NOBODY)
    happen("one")
    turn(webhook)
    ((headers, body),) = receiver.got
    for secret in (old, new):
        assert Signer(secret).verify(body, headers)["data"] == {"name": "one"}
    Webhook.objects.update(previous_until=clock.wall_now())
    happen("two")
    turn(webhook)
    headers, body = receiver.got[-1]
    assert Signer(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Signer(old).verify(body, headers)


def test_a_secret_that_another_key_sealed_is_a_reason_not_a_crash(receive, settings):
    webhook, receiver = receive(200)
    happen("one")
    settings.SECRET_KEY = "another" * 10
    turn(webhook)
    assert receiver.got == []
    assert "another SECRET_KEY" in Delivery.objects.get().last_error
    assert webhooks.rotate_secret(webhook_id=webhook.pk, reason="new key", user=NOBODY)


def test_the_secret_in_the_database_is_sealed(receive):
    webhook, _ = receive()
    assert "whsec_" not in webhook.secret
    assert secrets.unseal(webhook.secret).startswith("whsec_")


def test_who_is_told_of_what(receive):
    mine, draft = factories.competition(), factories.competition("hush", status="DRAFT")
    everything, _ = receive()
    feeds, _ = receive(kinds=["feed.stale"])
    of_mine, _ = receive(competition=mine)
    of_draft, _ = receive(competition=draft)
    receive(active=False)
    happen("site")
    happen("mine", kind=FactKind.BOARD_MOVED, competition_id=mine.pk)
    happen("draft", kind=FactKind.RULE_CHANGED, competition_id=draft.pk)
    told = {
        webhook.pk: [
            each.event.payload["name"]
            for each in webhook.deliveries.order_by("event__number")
        ]
        for webhook in Webhook.objects.filter(active=True)
    }
    assert told == {
        everything.pk: ["site", "mine"],
        feeds.pk: ["site"],
        of_mine.pk: ["mine"],
        of_draft.pk: ["draft"],
    }
    assert not Delivery.objects.filter(webhook__active=False).exists()


def test_numbering_and_fan_out_are_a_constant_number_of_statements(
    receive, django_assert_num_queries
):
    for _ in range(3):
        receive()
    announce(*(Fact(FactKind.FEED_STALE, payload={"name": str(i)}) for i in range(500)))
    with django_assert_num_queries(4):  # with the savepoint of the test
        assert outbox.number_events() == 500
    assert Delivery.objects.count() == 1500


def test_what_is_past_retention_goes_with_its_deliveries(receive, at, frozen_clock):
    receive()
    happen("old")
    with at(frozen_clock + timedelta(days=20)):
        happen("new")
    with at(frozen_clock + timedelta(days=31)):
        happen("newest")
    with at(frozen_clock + timedelta(days=31, hours=1)):
        assert prune_events.maintain() == 1
        assert prune_events.maintain() == 0
    kept = Event.objects.order_by("number").values_list("payload__name", flat=True)
    assert list(kept) == ["new", "newest"]
    assert Delivery.objects.count() == 2


def test_a_clock_that_is_ahead_deletes_no_event(at, frozen_clock):
    happen("old")
    with at(frozen_clock + timedelta(days=20)):
        happen("new")
    with at(frozen_clock + timedelta(days=100)):
        happen("ahead")
        assert prune_events.maintain() == 0
    assert Event.objects.count() == 3


def certificate(folder: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = clock.wall_now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return paths


def test_over_tls_the_certificate_is_of_the_name_and_vouched_for(
    loopback_allowed, settings, tmp_path, monkeypatch
):
    settings.ENV = settings.ENV.model_copy(
        update={"webhook_networks": "127.0.0.0/8,::1/128"}
    )
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with receiving(Receiver(200), tls=context) as receiver:
        port = receiver.url.rpartition(":")[2]
        refused = sending.post(f"https://localhost:{port}/", "{}", {})
        assert "certificate verify failed" in refused.error
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(cert))
        assert sending.post(f"https://localhost:{port}/", "{}", {}).status == 200
        other = sending.post(f"https://127.0.0.1:{port}/", "{}", {})
        assert "certificate verify failed" in other.error
    assert len(receiver.got) == 1


# ------------------------------------------------------------------ on the instant


@pytest.fixture
def wall(monkeypatch):
    """Stop the real clock at NOW; `wall(seconds)` moves it on."""
    stopped = [NOW]
    monkeypatch.setattr(clock, "wall_now", lambda: stopped[0])
    monkeypatch.setattr(delivering, "spread", lambda pause_s: pause_s)

    def move(seconds: float):
        stopped[0] = NOW + timedelta(seconds=seconds)

    return move


def due_with(receive, **fields) -> Webhook:
    """A receiver with one delivery that is due now."""
    webhook, _ = receive(200)
    happen("one")
    Webhook.objects.filter(pk=webhook.pk).update(**fields)
    return webhook


def test_a_receiver_that_rests_is_served_again_on_the_instant(receive, wall):
    webhook = due_with(receive, rests_until=NOW + timedelta(seconds=10))
    wall(9.999)
    assert delivering.claim(10) == []
    wall(10)
    assert delivering.claim(10) == [webhook.pk]


def test_a_delivery_is_due_on_the_instant(receive, wall):
    webhook = due_with(receive)
    Delivery.objects.update(next_at=NOW + timedelta(seconds=10))
    wall(9.999)
    assert delivering.claim(10) == []
    wall(10)
    assert delivering.claim(10) == [webhook.pk]


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(days=40)], ids=str)
def test_what_a_clock_ahead_has_put_off_is_sent_once_it_is_set_back(
    receive, wall, ahead
):
    webhook = due_with(
        receive,
        busy_until=NOW + ahead,
        rests_until=NOW + ahead,
        served_at=NOW + ahead,
    )
    Delivery.objects.update(next_at=NOW + ahead, attempts=3, last_error="gone")
    assert delivering.claim(10) == [webhook.pk]
    assert delivering.take_turn(webhook.pk) == 1
    assert Delivery.objects.get().state == "delivered"


def test_the_longest_pauses_are_no_clock_s_fault(receive, wall):
    webhook = due_with(receive)
    Delivery.objects.update(next_at=NOW + timedelta(hours=6))
    assert delivering.claim(10) == []
    Delivery.objects.update(next_at=NOW)
    Webhook.objects.update(rests_until=NOW + timedelta(minutes=10))
    assert delivering.claim(10) == []
    Webhook.objects.update(rests_until=None, busy_until=NOW + delivering.LEASE)
    assert delivering.claim(10) == []
    Webhook.objects.update(busy_until=NOW)
    assert delivering.claim(10) == [webhook.pk]


def test_a_receiver_that_was_turned_off_is_sent_nothing(receive, wall):
    webhook = due_with(receive, active=False)
    assert delivering.claim(10) == []
    Webhook.objects.filter(pk=webhook.pk).update(active=True)
    assert delivering.claim(10) == [webhook.pk]


def test_the_receiver_that_has_waited_longest_is_claimed_first(receive, wall):
    newest, never, oldest = (receive(200)[0] for _ in range(3))
    happen("one")
    for webhook, hours in ((newest, 1), (oldest, 2)):
        served_at = NOW - timedelta(hours=hours)
        Webhook.objects.filter(pk=webhook.pk).update(served_at=served_at)
    claimed = [key for _ in range(3) for key in delivering.claim(1)]
    assert claimed == [never.pk, oldest.pk, newest.pk]


@pytest.mark.django_db(transaction=True)
def test_who_claims_does_not_wait_for_who_is_claiming(receive):
    due_with(receive)

    def claim():
        try:
            return delivering.claim(10)
        finally:
            connections.close_all()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        assert len(delivering.claim(10)) == 1
        assert pool.submit(claim).result(60) == []


def test_it_is_tried_for_three_days_and_given_up_on_the_instant(receive, wall):
    webhook = due_with(receive)
    delivery = Delivery.objects.get()
    assert delivery.give_up_at == NOW + timedelta(days=3)
    wall(3 * 86_400 - 0.001)
    delivering.give_up(webhook)
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    wall(3 * 86_400)
    delivering.give_up(webhook)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_error) == (
        *("given up", "given up: it was not due in time"),
    )


def test_pauses_and_rests_double_and_a_failure_is_no_arrival(receive, wall):
    webhook, _ = receive(500)
    happen("one")
    pauses = []
    for attempt in range(4):
        wall(attempt)
        turn(webhook)
        delivery = Delivery.objects.get()
        webhook.refresh_from_db()
        now = NOW + timedelta(seconds=attempt)
        pauses.append(
            tuple(
                (until - now).total_seconds()
                for until in (delivery.next_at, webhook.rests_until)
            )
        )
        assert delivery.delivered_at is None
        assert webhook.failing_since == NOW
    assert pauses == [(10, 5), (20, 10), (40, 20), (80, 40)]


def test_an_attempt_that_was_kept_by_another_is_not_kept_again(receive, wall):
    webhook = due_with(receive)
    stale = Delivery.objects.select_related("event").get()
    Delivery.objects.update(attempts=1, last_error="answered 503")
    delivering._keep(webhook, stale, sending.Outcome(500, "answered 500"))
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.last_error) == (1, "answered 503")


def test_a_replay_is_tried_as_often_and_as_long_as_a_new_one(receive, wall):
    due_with(receive)
    Delivery.objects.update(
        attempts=9, next_at=None, given_up_at=NOW, last_error="given up: gone"
    )
    wall(60)
    assert (
        webhooks.replay(deliveries=[Delivery.objects.get().pk], user=NOBODY),
        Delivery.objects.get().state,
    ) == (1, "waiting")
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.given_up_at) == (0, None)
    assert delivery.next_at == NOW + timedelta(seconds=60)
    assert delivery.give_up_at == NOW + timedelta(days=3, seconds=60)


def test_the_secret_before_signs_until_the_instant(receive, wall):
    webhook, _ = receive()
    old = webhook.secret
    webhooks.rotate_secret(webhook_id=webhook.pk, reason="leak", user=NOBODY)
    webhook.refresh_from_db()
    day = timedelta(hours=24)
    assert webhook.secrets_at(NOW + day - timedelta.resolution)[1:] == [old]
    assert webhook.secrets_at(NOW + day)[1:] == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, ""),
        (299, ""),
        (300, "answered 300; redirects are not followed"),
        (399, "answered 399; redirects are not followed"),
        (400, "answered 400"),
    ],
)
def test_which_statuses_are_an_arrival(receive, status, error):
    webhook, _ = receive(status)
    happen("one")
    turn(webhook)
    delivery = Delivery.objects.get()
    assert (delivery.last_status, delivery.last_error) == (status, error)


def test_no_proxy_of_the_environment_connects_in_our_place(receive, monkeypatch):
    webhook, receiver = receive(200)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    happen("one")
    turn(webhook)
    assert names(receiver) == ["one"]


def test_a_secret_that_a_key_before_sealed_is_read(receive, settings):
    webhook, _ = receive()
    secret = secrets.unseal(webhook.secret)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    assert secrets.unseal(webhook.secret) == secret


@pytest.mark.django_db(transaction=True)
def test_no_more_receivers_are_served_at_once_than_allowed(receive, monkeypatch):
    monkeypatch.setattr(delivering, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(delivering, "_pool", None)  # of one thread, for this test alone
    _, receiver = receive(manner=hang)
    happen("one")
    (hanging,) = delivering.begin_turns()
    receive(200)
    happen("two")
    assert delivering.begin_turns() == []
    receiver.may_end.set()
    assert hanging.result(60) >= 1


def test_what_has_no_number_yet_is_kept_however_old(at, frozen_clock):
    announce(Fact(FactKind.FEED_STALE))
    with at(frozen_clock + timedelta(days=31)):
        announce(Fact(FactKind.FEED_STALE))
    with at(frozen_clock + timedelta(days=31, hours=1)):
        assert prune_events.maintain() == 0
    assert Event.objects.count() == 2


def test_retention_ends_behind_the_instant_and_goes_on_step_by_step(
    at, frozen_clock, monkeypatch
):
    monkeypatch.setattr(prune_events, "A_STEP", 2)
    happen("1", "2", "3", "4", "5")
    kept = frozen_clock + timedelta(days=30)
    for newest, gone in ((kept, 0), (kept + timedelta.resolution, 5)):
        with at(newest):
            happen("newest")
        with at(newest + timedelta(hours=1)):
            assert prune_events.maintain() == gone
