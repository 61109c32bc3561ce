"""Verify a receipt as docs/integrator/log.md says, without a line of this project."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_by(node, index, size, path):
    """Follow an audit path from a leaf hash to the root (RFC 6962)."""
    path, last = list(path), size - 1
    while last:
        if index % 2:
            node = sha256(b"\1", path.pop(0), node)
        elif index < last:
            node = sha256(b"\1", node, path.pop(0))
        index, last = index // 2, last // 2
    assert not path
    return node


def verify(proof, vkey):
    """Return the opened answer of a `.tlog-proof`; raises what does not hold."""
    name, key_id, key = vkey.split("+", 2)
    public = base64.b64decode(key)
    assert sha256(name.encode(), b"\n", public)[:4].hex() == key_id
    head, note = proof.split("\n\n", 1)
    _, extra, index, *path = head.split("\n")
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    origin, size, root = text.splitlines()[:3]
    assert origin == name
    signed = [line.split() for line in signatures.splitlines()]
    (line,) = [
        data
        for _, who, encoded in signed
        if who == name and (data := base64.b64decode(encoded))[:4].hex() == key_id
    ]
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(line[4:], text.encode())
    told = json.loads(base64.b64decode(extra.removeprefix("extra ")))
    number = int(index.removeprefix("index "))
    leaf = sha256(b"\0", told["entry"].encode())
    found = root_by(leaf, number, int(size), map(base64.b64decode, path))
    assert found == base64.b64decode(root)
    inner, opened = told["inner"], told["opened"]
    answer = sha256(b"\0", bytes.fromhex(opened["nonce"]), opened["answer"].encode())
    inner_path = map(bytes.fromhex, inner["path"])
    found = root_by(answer, inner["index"], inner["size"], inner_path)
    assert found.hex() == json.loads(told["entry"])["root"]
    return json.loads(opened["answer"])
