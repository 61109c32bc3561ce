"""Replies to single calls become one answer for each model."""

import pytest
from model_runner_client.grpc.generated.commons_pb2 import Variant, VariantType

from competitions.gateway.replies import Reply, ReplyKind, answer_of, decode_replies


def json_reply(data):
    return Reply(
        ReplyKind.ANSWERED, message=Variant(type=VariantType.JSON, value=data.encode())
    )


def test_a_message_is_decoded_into_the_value_and_dropped():
    reply = json_reply('{"value": 1.5}')
    decode_replies([reply], largest_bytes=100)
    assert (reply.kind, reply.value) == (ReplyKind.ANSWERED, {"value": 1.5})
    assert reply.message is None


def test_an_answer_that_cannot_be_stored_fails_with_its_text_and_no_other():
    bad, good = json_reply("[NaN]"), json_reply("2.0")
    decode_replies([bad, good], largest_bytes=100)
    assert (bad.kind, bad.value, bad.raw) == (ReplyKind.INVALID, None, "[NaN]")
    assert good.value == 2.0


def test_a_reply_without_a_message_stays_as_it_is():
    late = Reply(ReplyKind.TIMEOUT, reason="no answer in 5 s")
    decode_replies([late], largest_bytes=100)
    assert (late.kind, late.reason) == (ReplyKind.TIMEOUT, "no answer in 5 s")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (ReplyKind.PAUSED, "ABSENT"),
        (ReplyKind.UNREACHABLE, "ABSENT"),
        (ReplyKind.GONE, "ABSENT"),
        (ReplyKind.TIMEOUT, "FAILED"),
        (ReplyKind.RAISED, "FAILED"),
        (ReplyKind.DIED, "FAILED"),
        (ReplyKind.UNTRUSTED, "FAILED"),
    ],
)
def test_the_last_reply_decides_the_outcome(kind, outcome):
    stage = [Reply(ReplyKind.ANSWERED), Reply(kind, reason="why", method="predict")]
    answer = answer_of("a", stage, first=0.0)
    assert (answer.outcome, answer.reason) == (outcome, "predict: why")


def test_a_failed_feed_update_is_a_warning_beside_the_answer():
    feed = Reply(ReplyKind.RAISED, reason="KeyError", method="feed_update")
    question = Reply(ReplyKind.ANSWERED, value=1.0, asked_at=10.5, exec_time_us=7)
    answer = answer_of("a", [feed, question], first=10.0)
    assert (answer.outcome, answer.result) == ("ANSWERED", 1.0)
    assert answer.warning == "feed_update: KeyError"
    assert (answer.dispatched_us, answer.exec_time_us) == (500_000, 7)
