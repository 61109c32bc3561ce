"""`coordinator witness`: cosign a site's log, having checked that it only grew."""

import json
import time
from pathlib import Path
from typing import Any

import click
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import clock
from core.errors import OperatorError
from core.files import write_file
from core.texts import one_line
from core.tlog.errors import LogFormatError, ProofError, UnknownSignerError
from core.tlog.log_checkpoint import TreeHead
from core.tlog.note import COSIGNATURE, Signer, VerifierKey, parse_vkey
from core.tlog.tiles import Tile
from core.tlog.witnessing import CheckedHead, check_growth, cosigned
from crunchsite.coordinator import exits
from crunchsite.coordinator.terminal import echo

PATIENCE_S = 20
LARGEST_FILE = 8 * 2**20


class WitnessStateError(OperatorError):
    """The witness's own file cannot be used."""

    code = "witness_state"
    status = 422


class LogUnreachableError(OperatorError):
    """The log does not answer as it should."""

    code = "log_unreachable"


class WitnessState:
    """The key of a witness, and the head that it has seen of each log; a 0600 file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        if not path.exists():
            private = Ed25519PrivateKey.generate().private_bytes_raw()
            self._raw: dict[str, Any] = {
                "name": name,
                "private": private.hex(),
                "seen": {},
            }
            self._write()
        try:
            self._text = path.read_text()
            self._raw = json.loads(self._text)
            private = bytes.fromhex(self._raw["private"])
            self.signer = Signer(self._raw["name"], private, COSIGNATURE)
            self._raw["seen"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WitnessStateError(
                f"{path} is no state of a witness ({error}); restore it, or give "
                "another --state."
            ) from None

    def seen(self, origin: str) -> TreeHead | None:
        """Return the head of a log that was seen last, if any."""
        found = self._raw["seen"].get(origin)
        return found and TreeHead(origin, found["size"], bytes.fromhex(found["root"]))

    def key_for(self, given: VerifierKey) -> VerifierKey:
        """Return the key of a log to which the given one led when it was seen last."""
        kept = self._raw.get("keys", {}).get(str(given), str(given))
        try:
            return parse_vkey(kept)
        except LogFormatError as error:
            raise WitnessStateError(f"{self._path}: a log's key: {error}.") from None

    def note_seen(self, checked: CheckedHead, given: VerifierKey) -> None:
        """Keep a head, before anything is signed that follows from it.

        Raises WitnessStateError when another process has kept one since this one read
        the file: each could be shown, and cosign, another history.
        """
        if not self._path.exists() or self._path.read_text() != self._text:
            raise WitnessStateError(
                f"{self._path} was changed by another process meanwhile, and nothing "
                "was cosigned; let one at a time use it."
            )
        head = checked.head
        self._raw["seen"][head.origin] = {"size": head.size, "root": head.root.hex()}
        self._raw.setdefault("keys", {})[str(given)] = str(checked.key)
        self._write()

    def _write(self) -> None:
        self._text = json.dumps(self._raw, indent=1)
        write_file(self._path, self._text, is_secret=True)


def cosign_once(*, site: str, key: VerifierKey, state: WitnessState) -> TreeHead:
    """Check the newest head of a site's log, cosign it and hand it in; returns it.

    Raises ProofError when the log was rewritten, or is not signed by its key, and
    LogUnreachableError when the site shows no log, or takes no cosignature.
    """

    def read_tile(tile: Tile) -> bytes:
        return _get(f"{site}/log/{tile.path}")

    known = state.key_for(key)
    text = _get(f"{site}/log/checkpoint").decode(errors="replace")
    try:
        checked = check_growth(
            text,
            key=known,
            seen=state.seen(key.name),
            read_tile=read_tile,
            read_changes=lambda: _get(f"{site}/log/key-changes"),
        )
    except LogFormatError as error:  # a proxy's page, for one: it accuses nobody
        raise LogUnreachableError(f"{site} shows no log: {error}.") from None
    state.note_seen(checked, key)
    at = int(clock.wall_now().timestamp())
    body = cosigned(checked.note, state.signer, signed_at_s=at)
    try:
        answer = requests.post(
            f"{site}/log/witnesses",
            data=body.encode(),
            headers={"Content-Type": "text/plain"},
            timeout=PATIENCE_S,
            allow_redirects=False,  # a redirect makes a GET of it, which all take
        )
    except requests.RequestException as error:
        raise LogUnreachableError(f"{site} took no cosignature: {error}.") from None
    if answer.is_redirect:
        target = one_line(answer.headers["Location"], limit=200)
        raise LogUnreachableError(
            f"{site} leads to {target}; give that site's address."
        )
    if not answer.ok:
        said = one_line(answer.text, limit=200)
        raise LogUnreachableError(f"{site} took no cosignature: {said}.")
    return checked.head


def _get(url: str) -> bytes:
    try:
        with requests.get(url, timeout=PATIENCE_S, stream=True) as answer:
            if answer.status_code == requests.codes.ok:
                return _read(answer)
            problem = f"answered {answer.status_code}"
    except requests.RequestException as error:
        problem = f"does not answer: {error}"
    raise LogUnreachableError(f"{url} {problem}.")


def _read(answer: requests.Response) -> bytes:
    """Return what a site answers; what is too long for a log's file is cut."""
    data = bytearray()
    for piece in answer.iter_content(2**16):
        data += piece
        if len(data) > LARGEST_FILE:
            break
    return bytes(data[:LARGEST_FILE])


@click.command("witness")
@click.argument("site")
@click.argument("vkey")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("witness.json"),
    show_default=True,
    help="Its own key, made on first use, and what it has seen.",
)
@click.option("--name", default="witness", help="Of the key, when it is made.")
@click.option("--every", type=click.FloatRange(min=1), help="Seconds; default: once.")
def command(
    *, site: str, vkey: str, state: Path, name: str, every: float | None
) -> None:
    """Cosign the log of SITE, whose public key is VKEY; exit 1 if it was rewritten.

    Give the site's operator the vkey that is printed first.
    """
    try:
        key = parse_vkey(vkey)
        own = WitnessState(state, name)
    except LogFormatError as error:
        raise click.UsageError(f"VKEY or --name: {error}") from None
    echo(f"vkey {own.signer.key}", err=True)
    while True:
        try:
            head = cosign_once(site=site.rstrip("/"), key=key, state=own)
            echo(f"cosigned {head.size} {head.root.hex()}")
        except UnknownSignerError as error:
            echo(
                f"REFUSED: {key} does not lead to the key of this head: {error}. Ask "
                "the operator for the log's key, and start again with that and the "
                f"same {state}.",
                err=True,
            )
            click.get_current_context().exit(exits.FAILED)
        except ProofError as error:
            echo(f"REFUSED: {error}. Keep {state}: it is the evidence.", err=True)
            click.get_current_context().exit(exits.FAILED)
        except LogUnreachableError as error:
            if every is None:
                raise
            echo(str(error), err=True)
        if every is None:
            return
        time.sleep(every)
