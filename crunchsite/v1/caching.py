"""Recognise an answer that has not changed."""

import hashlib
from typing import Any


def digest_of_facts(*facts: Any) -> str:
    """Return a short text that differs where any of the facts does."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()
