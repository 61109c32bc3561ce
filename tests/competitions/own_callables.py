"""Callables and contracts that the tests wire by path."""

import sys
import threading
from datetime import UTC, datetime

from competitions.contract import CrunchConfig
from competitions.defaults import raw_input_provider
from competitions.slots import SLOTS


def build_input(raw_input):
    return {**raw_input, "built": True}


def build_in_place(raw_input):
    raw_input["candles_1m"].pop(0)
    return raw_input


def wrong_name(data):
    return data


def greedy(raw_input, budget):
    return raw_input


def with_default(raw_input, budget=1):
    return raw_input


def empty_handed(now):
    return None


def raising_input(now):
    raise RuntimeError("the data desk is closed")


def doubling_in_place(inference_output):
    inference_output["value"] *= 2


def refusing_the_negative(inference_output):
    value = inference_output.pop("value")
    if value < 0:
        raise ValueError("no shorts, please")
    return {"value": value}


def dating_the_negative(inference_output):
    if inference_output["value"] < 0:
        inference_output["at"] = datetime(2026, 1, 1, tzinfo=UTC)


WOKEN = threading.Event()


def hanging_at_the_negative(inference_output):
    if inference_output["value"] < 0:
        WOKEN.wait(60)


def hanging_for_ether(now, context=None):
    if context.feed.subject == "ETHUSDT":
        WOKEN.wait(600)
    return raw_input_provider(now, context)


def leaving_at_the_negative(inference_output):
    if inference_output["value"] < 0:
        sys.exit("it left")


not_callable = 3


def double_score(prediction, ground_truth):
    return {"value": 2 * prediction.value}


roomy = CrunchConfig(max_output_bytes=32 * 2**10)


class Contract(CrunchConfig):
    crunch_pubkey: str = "from-contract"


instance = CrunchConfig(scoring_function=double_score)


class Broken(CrunchConfig):
    def __init__(self):
        super().__init__(max_ground_truth_staleness_fraction=7.0)


def _any(names):
    return eval(f"lambda {', '.join(names)}: None")


for _slot, _names in SLOTS.items():
    globals()[f"any_{_slot.lower()}"] = _any(_names)
