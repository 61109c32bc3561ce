"""Facts are stored with the change that makes them, and numbered without loss."""

import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox
from crunchsite.events.models import Event
from tests import factories
from tests.waiting import is_waited_for, wait_for


def happened(name: str, **fields) -> Fact:
    return Fact(FactKind.ROUND_PERFORMED, payload={"name": name}, **fields)


def told() -> list[str]:
    return [event.payload["name"] for event in Event.objects.published()]


@pytest.mark.django_db
def test_a_fact_is_an_event_of_its_competition_and_instant(frozen_clock):
    competition = factories.competition()
    announce(
        Fact(FactKind.BOARD_MOVED, competition.pk, {"models": 3}),
        Fact(FactKind.FEED_STALE, payload={"feed": "f"}),
    )
    assert outbox.number_events() == 2
    board, feed = Event.objects.published()
    assert board.document() == {
        "id": board.number,
        "type": "board.moved",
        "timestamp": "2026-03-02T12:00:00Z",
        "competition": "btc-demo",
        "data": {"models": 3},
    }
    assert (feed.kind, feed.competition) == ("feed.stale", None)
    assert feed.number == board.number + 1


@pytest.mark.django_db
def test_many_facts_are_one_statement_and_none_is_none(django_assert_num_queries):
    with django_assert_num_queries(1):
        announce(*(happened(str(i)) for i in range(1000)))
    with django_assert_num_queries(0):
        announce()


@pytest.mark.django_db
def test_what_is_rolled_back_was_never_told():
    with transaction.atomic():
        announce(happened("never"))
        transaction.set_rollback(True)
    assert outbox.number_events() == 0


@pytest.mark.django_db(transaction=True)
def test_a_fact_outside_of_a_transaction_is_refused():
    with pytest.raises(TransactionManagementError):
        announce(happened("lost"))
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_payload_is_storable_and_bounded():
    announce(happened("a\0b\ud800"), happened("x" * outbox.MOST_BYTES))
    outbox.number_events()
    assert [event.payload for event in Event.objects.published()] == [
        {"name": "a\ufffdb\ufffd"},
        {"is_cut": True},
    ]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_slower_transaction_is_told_behind_those_that_were_read():
    """It has the lower primary key, and a reader has read past it."""
    is_written, may_end = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            announce(happened("slow"))
            is_written.set()
            may_end.wait(60)
        connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert is_written.wait(60)
    with transaction.atomic():
        announce(happened("quick"))
    try:
        assert outbox.number_events() == 1  # and does not wait for the slow one
        assert told() == ["quick"]
        after = Event.objects.published().last().number
    finally:
        may_end.set()
        thread.join(60)
    assert outbox.number_events() == 1
    assert told() == ["quick", "slow"]
    (late,) = Event.objects.published().filter(number__gt=after)
    assert late.payload == {"name": "slow"}
    assert late.pk < Event.objects.get(number=after).pk


@pytest.mark.django_db(transaction=True)
def test_two_who_number_at_once_take_turns():
    """The second waits until the numbers of the first can be seen."""
    with transaction.atomic():
        announce(happened("first"))
    numbered = []
    with transaction.atomic():
        assert outbox.number_events() == 1

        def other():
            with transaction.atomic():
                announce(happened("second"))
            numbered.append(outbox.number_events())
            connections.close_all()

        thread = threading.Thread(target=other)
        thread.start()
        wait_for(lambda: is_waited_for() or not thread.is_alive())
        assert numbered == []
    thread.join(60)
    assert numbered == [1]
    assert told() == ["first", "second"]


@pytest.mark.django_db
def test_a_number_is_not_given_again_when_events_are_deleted():
    announce(happened("old"))
    outbox.number_events()
    before = Event.objects.get().number
    Event.objects.all().delete()
    announce(happened("new"))
    outbox.number_events()
    assert Event.objects.get().number > before


@pytest.mark.django_db
def test_drafts_are_for_who_may_see_them(operator):
    draft = factories.competition("secret", status="DRAFT", activated_at=None)
    announce(happened("draft", competition_id=draft.pk), happened("site"))

    def seen(user):
        return [e.payload["name"] for e in Event.objects.seen_by(user).order_by("pk")]

    assert seen(AnonymousUser()) == ["site"]
    assert seen(operator) == ["draft", "site"]


def test_instants_of_documents_are_utc():
    event = Event(at=datetime(2026, 3, 2, 12, tzinfo=UTC), kind="x")
    assert event.document()["timestamp"] == "2026-03-02T12:00:00Z"


@pytest.mark.django_db
def test_a_payload_of_the_largest_size_is_kept_whole():
    fits = "x" * (outbox.MOST_BYTES - len('{"name": ""}'))
    announce(happened(fits), happened(fits + "x"))
    outbox.number_events()
    assert [event.payload for event in Event.objects.published()] == [
        {"name": fits},
        {"is_cut": True},
    ]


@pytest.mark.django_db
def test_numbers_go_by_the_order_of_writing_also_over_several_steps(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_AT_ONCE", 2)
    announce(*(happened(name) for name in "abcde"))
    assert [outbox.number_events() for _ in range(4)] == [2, 2, 1, 0]
    assert told() == ["a", "b", "c", "d", "e"]
