"""Texts that make a regular expression slow: each of ours takes 100 000 characters."""

import re
import sys
import time

import pytest

from core import logs, texts  # noqa: F401  their expressions are among them
from crunchsite import urls  # noqa: F401  what requests come to is loaded

OURS = re.compile(r"(core|feeds|competitions|scoring|emissions|livepool|crunchsite)\b")
LENGTH = 10**5
WIDE_S = 5.0  # of the processor, not of the wall; each takes below 0.1 s
PARTS = [
    *("a", "A", "0", "1", "10", "a-", "a.", "a:", "/", " ", "é", "\x00", "\u2014 a a"),
    *("csk_aaaaaaaa_", "whsec_a", "e+1", "A1000", '{"value": 1', "tile/0/x001/"),
    *("http://a", "bytes=1-1", "2026-01-"),
]


def expressions():
    """Yield each expression that a module of ours has by name."""
    for module_name, module in sorted(sys.modules.items()):
        if OURS.match(module_name):
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{module_name}.{name}", value


@pytest.mark.attack("slow regular expressions", held_by="linear expressions")
def test_no_text_makes_an_expression_slow(seen):
    found = dict(expressions())
    assert len(found) >= 15
    slowest = 0.0
    for name, expression in found.items():
        if isinstance(expression.pattern, bytes):
            continue
        for part in PARTS:
            text = (part * LENGTH)[:LENGTH]
            for ending in ("", "!", "\n"):
                start = time.process_time()
                expression.match(text + ending)
                expression.fullmatch(text + ending)
                took = time.process_time() - start
                assert took < WIDE_S, (name, part, ending)
                slowest = max(slowest, took)
    seen(f"{len(found)} expressions, the slowest {slowest * 1000:.0f} ms")
