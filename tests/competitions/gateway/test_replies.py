"""Replies to single calls become one answer for each model."""

import pytest
from model_runner_client.grpc.generated.commons_pb2 import Variant, VariantType

from competitions.gateway.replies import Kind, Reply, answer_of, decode


def json_reply(data):
    return Reply(
        Kind.ANSWERED, message=Variant(type=VariantType.JSON, value=data.encode())
    )


def test_a_message_is_decoded_into_the_value_and_dropped():
    reply = json_reply('{"value": 1.5}')
    decode([reply], largest_bytes=100)
    assert (reply.kind, reply.value) == (Kind.ANSWERED, {"value": 1.5})
    assert reply.message is None


def test_an_answer_that_cannot_be_stored_fails_with_its_text_and_no_other():
    bad, good = json_reply("[NaN]"), json_reply("2.0")
    decode([bad, good], largest_bytes=100)
    assert (bad.kind, bad.value, bad.raw) == (Kind.RAISED, None, "[NaN]")
    assert good.value == 2.0


def test_a_reply_without_a_message_stays_as_it_is():
    late = Reply(Kind.TIMEOUT, reason="no answer in 5 s")
    decode([late], largest_bytes=100)
    assert (late.kind, late.reason) == (Kind.TIMEOUT, "no answer in 5 s")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Kind.PAUSED, "ABSENT"),
        (Kind.UNREACHABLE, "ABSENT"),
        (Kind.GONE, "ABSENT"),
        (Kind.TIMEOUT, "FAILED"),
        (Kind.RAISED, "FAILED"),
        (Kind.DIED, "FAILED"),
        (Kind.UNTRUSTED, "FAILED"),
    ],
)
def test_the_last_reply_decides_the_outcome(kind, outcome):
    stage = [Reply(Kind.ANSWERED), Reply(kind, reason="why", method="predict")]
    answer = answer_of("a", stage, first=0.0)
    assert (answer.outcome, answer.reason) == (outcome, "predict: why")


def test_a_failed_feed_update_is_a_warning_beside_the_answer():
    feed = Reply(Kind.RAISED, reason="KeyError", method="feed_update")
    question = Reply(Kind.ANSWERED, value=1.0, asked_at=10.5, exec_time_us=7)
    answer = answer_of("a", [feed, question], first=10.0)
    assert (answer.outcome, answer.result) == ("ANSWERED", 1.0)
    assert answer.warning == "feed_update: KeyError"
    assert (answer.dispatched_us, answer.exec_time_us) == (500_000, 7)
