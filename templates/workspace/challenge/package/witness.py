"""Cosigns the site's log, having checked that it only grew since the last time.

Who runs a witness need not believe the site: a log that was rewritten, or that shows
others something else, cannot follow from the head that the witness has kept. Needs the
extra `verify`, and the log's public key (its vkey) from a place that you trust.
"""

import json
import os
import time
from pathlib import Path

import requests

from ._engine.tlog.errors import LogFormatError, ProofError, UnknownSignerError
from ._engine.tlog.log_checkpoint import TreeHead
from ._engine.tlog.note import COSIGNATURE, Signer, parse_vkey
from ._engine.tlog.witnessing import check_growth, cosigned
from .problems import InvalidInput, Problem, Refused, Unreachable

TIMEOUT_S = 20
LARGEST_FILE = 2**23


class Forked(Problem):
    """The log does not follow from what was seen of it, or is not signed by its key."""

    code = "log_forked"


class Witness:
    """A key that cosigns, and the newest head seen of each log; in a file of its own.

    The file can be read by its owner alone. It is made with a new key on first use.
    """

    def __init__(self, path, name="witness"):
        self.path = Path(path)
        if not self.path.exists():
            self._private, self._seen, self._keys = os.urandom(32), {}, {}
            try:
                self._signer = Signer(name, self._private, COSIGNATURE)
            except LogFormatError as error:
                raise InvalidInput(f"the name was {name!r}: {error}.") from None
            self._write()
            return
        try:
            self._text = self.path.read_text("utf-8")
            kept = json.loads(self._text)
            self._private = bytes.fromhex(kept["private"])
            self._signer = Signer(kept["name"], self._private, COSIGNATURE)
            self._seen = {
                origin: TreeHead(origin, int(each["size"]), bytes.fromhex(each["root"]))
                for origin, each in kept["seen"].items()
            }
            self._keys = dict(kept.get("keys", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{self.path} is no file of a witness ({error}); restore it, or name "
                "another one."
            ) from None

    @property
    def vkey(self):
        """The public key, which the site's operator has to know."""
        return str(self._signer.key)

    def cosign(self, site, vkey, session=None):
        """Check the newest head of a log, cosign it and hand it in; return its size.

        The head is kept before it is cosigned, and the log's newest key, to which the
        given one leads. Raises Forked for a log that did not only grow, InvalidInput
        for a key that does not lead to the log's: nothing is cosigned then, and what
        was seen stays as it was. InvalidInput also when another process has changed the
        file meanwhile: each could be shown, and cosign, another history.
        """
        site, session = site.rstrip("/"), session or requests.Session()
        try:
            given = parse_vkey(vkey)
            key = parse_vkey(self._keys.get(str(given), str(given)))
        except LogFormatError as error:
            raise InvalidInput(f"the log's key cannot be used: {error}.") from None
        text = _get(session, f"{site}/log/checkpoint").decode(errors="replace")
        try:
            checked = check_growth(
                text,
                key=key,
                seen=self._seen.get(key.name),
                read_tile=lambda tile: _get(session, f"{site}/log/{tile.path}"),
                read_changes=lambda: _get(session, f"{site}/log/key-changes"),
            )
        except LogFormatError as error:
            raise Unreachable(f"{site} shows no log: {error}.") from None
        except UnknownSignerError as error:
            raise InvalidInput(
                f"{key} does not lead to the key of the head that {site} shows: {error}. "
                "Ask the operator for the log's key, and give that one, with the same "
                "state."
            ) from None
        except ProofError as error:
            raise Forked(
                f"{error}. Nothing was cosigned. {self._evidence(key.name, text)} "
                "Tell the operator and the other participants."
            ) from None
        if not self.path.exists() or self.path.read_text("utf-8") != self._text:
            raise InvalidInput(
                f"{self.path} was changed by another process meanwhile, and nothing was "
                "cosigned; let one at a time use it."
            )
        self._seen[key.name] = checked.head
        self._keys[str(given)] = str(checked.key)
        self._write()
        body = cosigned(checked.note, self._signer, signed_at_s=int(time.time()))
        _post(session, f"{site}/log/witnesses", body, self.vkey)
        return checked.head.size

    def _evidence(self, origin, text):
        """Keep the head that did not follow; return what is the evidence."""
        path = self.path.with_suffix(".refused")
        try:
            if not path.exists():  # the first one says most
                path.write_text(f"{origin}\n\n{text}", "utf-8")
        except OSError as error:
            return f"Keep {self.path}, and this head, as {path} has failed ({error}):\n{text}"
        return (
            f"{path} is what the site showed; with {self.path} it is the evidence: keep "
            "both."
        )

    def _write(self):
        kept = {
            "name": self._signer.key.name,
            "private": self._private.hex(),
            "seen": {
                origin: {"size": head.size, "root": head.root.hex()}
                for origin, head in self._seen.items()
            },
            "keys": self._keys,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._text = json.dumps(kept, indent=1)
        with open(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(self._text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.path)


def _get(session, url):
    try:
        with session.get(url, timeout=TIMEOUT_S, stream=True) as answer:
            if answer.status_code != 200:
                raise Unreachable(f"{url} answered {answer.status_code}; is it a site?")
            data = bytearray()
            for piece in answer.iter_content(2**16):
                data += piece
                if len(data) > LARGEST_FILE:
                    raise Unreachable(f"{url} is longer than a log's files are.")
            return bytes(data)
    except requests.RequestException as error:
        raise Unreachable(f"{url} gave no answer: {error}.") from None


def _post(session, url, body, vkey):
    headers = {"Content-Type": "text/plain"}
    try:
        answer = session.post(
            url,
            data=body.encode(),
            headers=headers,
            timeout=TIMEOUT_S,
            allow_redirects=False,  # a redirect makes a GET of it, which all take
        )
    except requests.RequestException as error:
        raise Unreachable(f"{url} gave no answer: {error}.") from None
    if answer.status_code >= 500:
        raise Unreachable(f"{url} answered {answer.status_code}.")
    if answer.is_redirect:
        target = answer.headers["Location"][:300]
        raise Unreachable(f"{url} leads to {target!r}; name the site as it is there.")
    if answer.status_code >= 400:
        raise Refused(
            f"the site took no cosignature: {answer.text[:300]} Does its operator "
            f"know the key {vkey}?"
        )
