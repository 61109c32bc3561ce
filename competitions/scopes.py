"""Read the keys of a scope, which have two spellings."""

from collections.abc import Mapping
from typing import Any


def subject_in(scope: Mapping[str, Any]) -> str:
    """Return the subject that a scope names, in either spelling; empty if none."""
    return str(scope.get("subject") or scope.get("asset") or "")
