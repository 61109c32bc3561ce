"""Optional Ed25519 signature of a release's artifact manifest.

The manifest holds the checksums of the other files, so its signature covers them all.
"""

import base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)


class SignatureError(ValueError):
    """A key or a signature is not what it must be; the message says which."""


def sign(data: bytes, *, key_file: Path) -> bytes:
    """Base64 of the Ed25519 signature of `data` by the PEM private key in `key_file`."""
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise SignatureError(
            f"signing key {key_file} cannot be read: {error}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"signing key {key_file} is not an Ed25519 key")
    return base64.b64encode(key.sign(data))


def verify(data: bytes, signature: bytes, *, public_key: bytes) -> None:
    """Raise SignatureError unless `signature` (base64) is that of the PEM key."""
    try:
        key = load_pem_public_key(public_key)
        raw = base64.b64decode(signature, validate=True)
    except ValueError as error:
        raise SignatureError(f"signature or public key is malformed: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError("the public key is not an Ed25519 key")
    try:
        key.verify(raw, data)
    except InvalidSignature:
        raise SignatureError("the manifest's signature does not match") from None
