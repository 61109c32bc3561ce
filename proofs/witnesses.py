"""Collect cosignatures: who runs a witness has seen that the log only grew.

Some witnesses take heads at an address of theirs (c2sp.org/tlog-witness); others come,
verify with the files below `/log/`, and post the head that they have cosigned.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
import structlog
from django.db import transaction

from core import clock
from core.deadline import Late, in_time
from core.only_one import only_one
from core.public_addresses import AddressRefusedError, exchange
from core.texts import message_of, one_line
from core.tlog.errors import LogFormatError, ProofError
from core.tlog.log_checkpoint import parse_tree_head
from core.tlog.note import (
    COSIGNATURE,
    Note,
    SignatureLine,
    cosigned_at_s,
    encode_base64,
    parse_note,
    parse_signatures,
    parse_vkey,
    verify_note,
)
from proofs.errors import WitnessError
from proofs.models import Cosignature, LogCheckpoint, Witness
from proofs.tree import prove_consistency

log = structlog.get_logger(__name__)

PATIENCE_S = 10.0
SILENT_S = 3600.0  # of real time without a cosignature of a head that was there
LARGEST_ANSWER = 65_536
LONGEST_SIZE = 20  # digits; Python reads no number of some thousand
OK, CONFLICT, UNPROVEN = 200, 409, 422
_COLLECTING = 0x7769746E  # "witn"


def register(*, vkey: str, owner: str, url: str = "") -> Witness:
    """Add a witness, or give a known one another address; one that was retired is back.

    Raises WitnessError for a key that is none of a witness, or is another owner's.
    """
    try:
        key = parse_vkey(vkey)
    except LogFormatError as error:
        raise WitnessError(f"the vkey cannot be used: {error}.") from None
    if key.kind != COSIGNATURE:
        raise WitnessError("the vkey is not of kind 4, which witnesses sign with.")
    if url and not url.startswith(("https://", "http://")):
        raise WitnessError(f"url was {one_line(url, limit=80)!r}; give http(s)://...")
    owner = one_line(owner, limit=80)
    witness, is_new = Witness.objects.get_or_create(
        vkey=str(key),
        defaults={"owner": owner, "url": url, "created_at": clock.now()},
    )
    if witness.owner != owner:
        raise WitnessError(
            f"this key is that of {witness.owner}, who stays its owner; another "
            "owner's witness has a key of its own."
        )
    if not is_new:
        witness.url, witness.retired_at = url, None
        witness.save(update_fields=["url", "retired_at"])
    return witness


def retire(vkey: str) -> Witness:
    """Let a witness cosign no more; what it has cosigned stays.

    Raises WitnessError for one that is unknown, and for one that says that the log was
    rewritten.
    """
    witness = Witness.objects.filter(vkey=vkey).first()
    if witness is None:
        raise WitnessError("there is no witness with that vkey.")
    if witness.refused_at:
        raise WitnessError(
            f"{witness} says that the log was rewritten; find out who is right first."
        )
    if witness.retired_at is None:
        witness.retired_at = clock.now()
        witness.save(update_fields=["retired_at"])
    return witness


def silent_below() -> int:
    """Return the size of head below which a witness is silent, 0 for none.

    It has cosigned neither the head of this size nor a later one for an hour.
    """
    since = clock.now() - clock.wall_seconds(SILENT_S)
    head = LogCheckpoint.objects.filter(signed_at__lt=since).first()
    return head.size if head else 0


def accept(text: str) -> int:
    """Store the cosignatures of a head that known witnesses have signed.

    `text` is the signed head with their lines. Returns how many were new. Raises
    WitnessError for what is no head of this log, and when no known witness signed it.
    """
    try:
        note = parse_note(text)
        size = parse_tree_head(note.text).size
    except LogFormatError as error:
        raise WitnessError(f"this is no signed head: {error}.") from None
    head = LogCheckpoint.objects.filter(size=size).first()
    if head is None or parse_note(head.note).text != note.text:
        raise WitnessError("this is no head that this log has signed.")
    return _store(head, note.signatures, Witness.objects.active())


@dataclass(frozen=True)
class Witnessed:
    """How many owners of witnesses have cosigned a head of this size, of how many."""

    size: int
    owners: int
    of: int

    def __str__(self) -> str:
        return f"witnessed by {self.owners} of {self.of} owners"


def witnessed() -> Witnessed:
    """Return who has cosigned the newest head that anybody has; two statements."""
    of = Witness.objects.active().values("owner").distinct().count()
    newest = (
        Cosignature.objects.order_by("-head").values_list("head", flat=True).first()
    )
    signed = Witness.objects.active().filter(cosignatures__head=newest)
    owners = signed.values("owner").distinct().count() if newest else 0
    return Witnessed(newest or 0, owners, of)


def collect() -> int:
    """Ask witnesses with an address to cosign the newest head; return how many did.

    One that fails or refuses harms no other: it is tried again by the next call. Who
    calls while another call is at work does nothing.
    """
    head = LogCheckpoint.objects.first()
    if head is None:
        return 0
    with only_one(_COLLECTING) as is_only:
        behind = Witness.objects.active().exclude(url="").filter(size__lt=head.size)
        return sum(_ask_safely(each, head) for each in behind) if is_only else 0


def _ask_safely(witness: Witness, head: LogCheckpoint) -> int:
    try:
        return _ask(witness, head)
    except (
        requests.RequestException,
        AddressRefusedError,
        Late,
        WitnessError,
    ) as error:
        Witness.objects.filter(pk=witness.pk).update(error=message_of(error))
        log.warning("witness.failed", witness=str(witness), why=message_of(error))
        return 0


def _ask(witness: Witness, head: LogCheckpoint) -> int:
    status, text = _post(witness, head, witness.size)
    if status == CONFLICT:  # it says what it has seen
        seen = text.strip()
        is_size = seen.isascii() and seen.isdigit() and len(seen) < LONGEST_SIZE
        if not (is_size and int(seen) <= head.size):
            raise WitnessError(f"it has seen {one_line(text, limit=60)!r} entries.")
        status, text = _post(witness, head, int(seen))
    if status == UNPROVEN:
        is_new = Witness.objects.filter(pk=witness.pk, refused_at=None).update(
            refused_at=clock.now(), error="it refused the proof that the log only grew"
        )
        if is_new:
            log.error("witness.refused", witness=str(witness), size=head.size)
        return 0
    if status != OK:
        raise WitnessError(f"it answered {status}.")
    try:
        lines = parse_signatures(text)
    except LogFormatError as error:
        raise WitnessError(f"its answer is no signature: {error}.") from None
    return _store(head, lines, [witness])


def _post(witness: Witness, head: LogCheckpoint, old: int) -> tuple[int, str]:
    """Send a head with the proof that it follows from `old` (add-checkpoint)."""
    proof = [encode_base64(node) for node in prove_consistency(old, head.size)]
    body = "\n".join([f"old {old}", *proof, "", head.note])
    url = f"{witness.url.rstrip('/')}/add-checkpoint"
    answer: tuple[int, str] = in_time(
        lambda: _sent(url, body.encode()), PATIENCE_S, key=("witness", witness.pk)
    )
    return answer


def _sent(url: str, body: bytes) -> tuple[int, str]:
    status, data = exchange(
        url,
        body,
        media_type="text/plain",
        patience_s=PATIENCE_S,
        largest=LARGEST_ANSWER,
    )
    return status, data.decode(errors="replace")


@transaction.atomic
def _store(
    head: LogCheckpoint, lines: Sequence[SignatureLine], witnesses: Iterable[Witness]
) -> int:
    """Keep the lines of these witnesses; raises WitnessError when none holds."""
    text = parse_note(head.note).text
    count = 0
    found = False
    for witness in witnesses:
        key = parse_vkey(witness.vkey)
        for line in [each for each in lines if each.is_by(key)][:1]:
            try:
                verify_note(Note(text, (line,)), [key])
                at = datetime.fromtimestamp(cosigned_at_s(line), UTC)
            except (ProofError, LogFormatError, ValueError, OverflowError) as error:
                raise WitnessError(f"{witness}: {message_of(error)}.") from None
            found = True
            _, is_new = Cosignature.objects.get_or_create(
                head=head,
                witness=witness,
                defaults={"line": str(line), "cosigned_at": at},
            )
            count += is_new
            Witness.objects.filter(pk=witness.pk, size__lt=head.size).update(
                size=head.size, error="", refused_at=None
            )
    if not found:
        raise WitnessError("no witness that this site knows has signed this.")
    return count
