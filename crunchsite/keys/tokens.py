"""Make, recognise and hash the text of a key (decision 7).

`csk_<prefix>_<secret>`: the prefix names the key and may be shown, the secret may not.
"""

import hashlib
import re
from string import ascii_letters, ascii_lowercase, digits

from django.utils.crypto import constant_time_compare, get_random_string

PREFIX_LENGTH = 8
SECRET_LENGTH = 43  # 62^43 possibilities are 256 bits
TOKEN = re.compile(rf"csk_([a-z0-9]{{{PREFIX_LENGTH}}})_[A-Za-z0-9]{{{SECRET_LENGTH}}}")


def make_token() -> tuple[str, str]:
    """Return a new key's prefix and its whole text, from the system's random source."""
    prefix = get_random_string(PREFIX_LENGTH, ascii_lowercase + digits)
    secret = get_random_string(SECRET_LENGTH, ascii_letters + digits)
    return prefix, f"csk_{prefix}_{secret}"


def prefix_of(token: str) -> str | None:
    """Return the prefix of a key's text; None if it is not one of ours."""
    match = TOKEN.fullmatch(token)
    return match and match[1]


def digest_of(token: str) -> str:
    """Return the SHA-256 that is stored for a key, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_same(token: str, digest: str) -> bool:
    """Return whether the text has this digest, in constant time."""
    return constant_time_compare(digest_of(token), digest)
