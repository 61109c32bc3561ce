"""Verifies receipts without a connection: what was answered stood in the log by then.

Needs the extra `verify`, and the public key of the site's log (its vkey) from a place
that you trust: a page that you saved, an operator's message, another participant.
"""

import json

from .problems import InvalidInput, Problem


class Forged(Problem):
    """A receipt that proves nothing: it, or the log, was changed."""

    code = "forged"


def verify_receipt(text, vkey):
    """Return what a `.tlog-proof` proves: index, size of the log, and the answer.

    `vkey` is the log's key, or an older one: the receipt leads from there to the key
    that signed it. `answer` is None while the answer is not open. Raises Forged for one that does not
    hold, InvalidInput for a key or a file that cannot be read.
    """
    try:
        from ._engine.tlog.errors import LogFormatError, ProofError
        from ._engine.tlog.key_entries import KeyChain, read_key_entries
        from ._engine.tlog.log_checkpoint import parse_tree_head
        from ._engine.tlog.log_proof import parse_log_proof, verify_log_proof
        from ._engine.tlog.merkle import leaf_hash, verify_inclusion
        from ._engine.tlog.note import parse_note, parse_vkey
    except ImportError:
        raise InvalidInput(
            "cryptography is not installed; install the package with [verify]."
        ) from None
    try:
        key = parse_vkey(vkey)
        proof = parse_log_proof(text)
        extra = json.loads(proof.extra)
        entry, inner, opened = extra["entry"], extra["inner"], extra.get("opened")
        fact = json.loads(entry)
        root = bytes.fromhex(fact["root"])
        chain = KeyChain([key], read_key_entries(extra.get("keys", [])))
        size = parse_tree_head(parse_note(proof.checkpoint).text).size
    except (LogFormatError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"this is no receipt, or no key: {error}.") from None
    try:
        keys = chain.signers_of(size)
        head = verify_log_proof(proof, entry.encode(), origin=key.name, keys=keys)
        if (fact["kind"], fact["answers"]) != ("round", inner["size"]):
            raise ProofError("its entry is of no round with as many answers")
        if opened:
            answer = opened["answer"].encode()
            verify_inclusion(
                leaf=leaf_hash(bytes.fromhex(opened["nonce"]) + answer),
                index=inner["index"],
                size=inner["size"],
                path=[bytes.fromhex(node) for node in inner["path"]],
                root=root,
            )
    except (LogFormatError, ProofError, ValueError, KeyError, TypeError) as error:
        raise Forged(f"the receipt does not hold: {error}.") from None
    return {
        "index": proof.index,
        "size": head.size,
        "entry": fact,
        "answer": json.loads(opened["answer"]) if opened else None,
    }
