"""Sign a release's manifest with Ed25519, if the site has a key.

The manifest has the checksums of the other files, so its signature covers them all;
`livepool.reader` verifies it.
"""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from livepool.errors import LivePoolError


class SigningKeyError(LivePoolError):
    """The signing key cannot be used; the message says why."""

    code = "livepool_signing_key"


def sign(data: bytes, *, key_file: Path) -> bytes:
    """Sign `data` by the PEM private key in `key_file`; return Base64."""
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SigningKeyError(f"{key_file} cannot be read as a key: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{key_file} is not an Ed25519 private key")
    return base64.b64encode(key.sign(data))
