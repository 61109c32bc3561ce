"""Sign previews, so that only what was just shown is applied, to the same state."""

from collections.abc import Sequence
from typing import Any

from django.core import signing

# An older preview no longer describes the present state.
PREVIEW_IS_GOOD_FOR_S = 900
SALT = "crunchsite.correction"


def token_of(asked: Sequence[Any]) -> str:
    """Return the token of a preview, from everything that the act depends on."""
    return signing.dumps([str(each) for each in asked], salt=SALT)


def was_previewed(token: str, asked: Sequence[Any]) -> bool:
    """Return whether exactly this was previewed, and recently enough."""
    try:
        seen = signing.loads(token, salt=SALT, max_age=PREVIEW_IS_GOOD_FOR_S)
    except signing.BadSignature:
        return False
    return bool(seen == [str(each) for each in asked])
