"""Sign texts and verify their signatures: signed notes with Ed25519 keys.

Formats: c2sp.org/signed-note (with its verifier keys, "vkeys") and
c2sp.org/tlog-cosignature, the kind that says when it was made.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from .errors import LogFormatError, ProofError, UnknownSignerError

ED25519 = 1
COSIGNATURE = 4  # Ed25519 with the instant of signing
MOST_SIGNATURES = 100
LARGEST_NOTE_BYTES = 65_536

_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name and kind: what a vkey says."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || newline || kind || public key)."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(material).digest()[:4]

    def __str__(self) -> str:
        public = encode_base64(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{public}"


@dataclass(frozen=True)
class SignatureLine:
    """One signature of a note: whose, and the bytes behind the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True)
class Note:
    """A text, which ends in a newline, and the lines of its signatures."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))


class Signer:
    """Sign notes with one private key; raises LogFormatError for a bad name."""

    def __init__(self, name: str, private: bytes, kind: int = ED25519) -> None:
        if kind not in {ED25519, COSIGNATURE}:
            raise LogFormatError(f"there is no signature of kind {kind} here")
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        public = self._private.public_key().public_bytes_raw()
        self.key = VerifierKey(_checked_name(name), kind, public)

    def sign(self, text: str) -> SignatureLine:
        """Return the signature of a text, without an instant."""
        if self.key.kind != ED25519:
            raise LogFormatError("a key for cosignatures signs with an instant")
        return self._line(self._private.sign(text.encode()))

    def cosign(self, text: str, *, signed_at_s: int) -> SignatureLine:
        """Return the cosignature of a log checkpoint's text at an instant.

        `signed_at_s`: whole seconds since 1970-01-01 UTC, 0 to 2**63 - 1.
        """
        if self.key.kind != COSIGNATURE:
            raise LogFormatError("only a key for cosignatures signs with an instant")
        signature = self._private.sign(_cosigned(text, signed_at_s))
        return self._line(signed_at_s.to_bytes(8, "big") + signature)

    def _line(self, signature: bytes) -> SignatureLine:
        return SignatureLine(self.key.name, self.key.key_id, signature)


def parse_vkey(text: str) -> VerifierKey:
    """Return the key of `name+id+base64`; raises LogFormatError."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise LogFormatError("a vkey is name+id+key, with two plus signs")
    name, key_id, encoded = parts
    data = decode_base64(encoded)
    if len(data) != 33 or data[0] not in {ED25519, COSIGNATURE}:
        raise LogFormatError("the key is not of kind 1 or 4 with 32 bytes (Ed25519)")
    key = VerifierKey(_checked_name(name), data[0], data[1:])
    if key.key_id.hex() != key_id:
        raise LogFormatError(f"the key's id is {key.key_id.hex()}, not {key_id}")
    return key


def parse_note(text: str) -> Note:
    """Return a note's text and signature lines; raises LogFormatError.

    The signatures are not looked at: `verify_note` does.
    """
    if len(text.encode()) > LARGEST_NOTE_BYTES:
        raise LogFormatError(f"a note has at most {LARGEST_NOTE_BYTES} bytes")
    if _CONTROL.search(text):
        raise LogFormatError("a note holds no control character but newline")
    body, separator, tail = text.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise LogFormatError("a note is a text, an empty line and signatures")
    return Note(body + "\n", parse_signatures(tail))


def parse_signatures(text: str) -> tuple[SignatureLine, ...]:
    """Return the signature lines of a text of nothing else; raises LogFormatError."""
    lines = text.split("\n")
    if lines.pop() or not lines:
        raise LogFormatError("each signature stands on a line of its own")
    if len(lines) > MOST_SIGNATURES:
        raise LogFormatError(f"a note has at most {MOST_SIGNATURES} signatures")
    return tuple(map(_signature_line, lines))


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Return those of the keys that signed; signatures by others are ignored.

    Raises ProofError when a signature by one of the keys does not hold, and when none
    of them signed.
    """
    signed = []
    for key in keys:
        lines = [line for line in note.signatures if line.is_by(key)]
        for line in lines:
            _verify(note.text, line, key)
        if lines:
            signed.append(key)
    if not signed:
        raise UnknownSignerError("none of the known keys has signed this")
    return signed


def cosigned_at_s(line: SignatureLine) -> int:
    """Return when a cosignature was made, in seconds since 1970-01-01 UTC."""
    if len(line.signature) != 72:
        raise LogFormatError("a cosignature has 8 bytes of time and 64 of signature")
    return int.from_bytes(line.signature[:8], "big")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard base64 with its padding; raises LogFormatError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise LogFormatError("this is not base64") from None
    if encode_base64(data) != text:  # one text for the same bytes
        raise LogFormatError("this is not the shortest base64")
    return data


def _signature_line(text: str) -> SignatureLine:
    found = _LINE.fullmatch(text)
    if not found:
        raise LogFormatError("a signature is a dash, the key's name and base64")
    data = decode_base64(found[2])
    if len(data) < 5:
        raise LogFormatError("a signature has 4 bytes of key id and more")
    return SignatureLine(found[1], data[:4], data[4:])


def _verify(text: str, line: SignatureLine, key: VerifierKey) -> None:
    message, signature = text.encode(), line.signature
    try:
        if key.kind == COSIGNATURE:
            message = _cosigned(text, cosigned_at_s(line))
            signature = signature[8:]
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, LogFormatError):
        raise ProofError(f"the signature by {key.name} does not hold") from None


def _cosigned(text: str, signed_at_s: int) -> bytes:
    if not 0 <= signed_at_s < 2**63:
        raise LogFormatError("the instant of a cosignature is out of range")
    return f"cosignature/v1\ntime {signed_at_s}\n{text}".encode()


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or _CONTROL.search(name):
        raise LogFormatError("a key's name is not empty, without spaces and plus signs")
    return name
