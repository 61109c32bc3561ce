"""Make, rotate and replace the key that signs the log."""

from django.conf import settings

from core.tlog.note import Signer
from proofs import cadence, log_keys, sealing
from proofs.errors import LogKeyError
from proofs.key_leaves import append_first_key, append_key, vkeys
from proofs.models import LogLeaf


def create(*, origin: str) -> Signer:
    """Make the first key of the log `origin`; raises LogKeyError if there is one."""
    if log_keys.has_key():
        raise LogKeyError(f"the log has a key: {log_keys.signers()[0].key}.")
    if known := vkeys():
        raise LogKeyError(
            f"the log is signed with {known[0]}, whose file is not here: restore "
            f"{log_keys.key_file()}, or if it is lost for good: `manage.py log_key "
            "replace-lost`."
        )
    log_keys.ensure_key(origin)
    return log_keys.signers()[0]


def rotate(*, reason: str) -> Signer:
    """Replace the key by a new one, which the old one vouches for.

    Both sign the head that covers the new key's entry; then the old one is forgotten.
    One that was interrupted is finished by the next call. Raises LogKeyError, with both
    keys kept, when that head could not be signed.
    """
    _refuse_environment()
    signers = log_keys.signers()
    old = signers[-1]
    append_first_key(old.key)  # the log names it before it is replaced, if it is empty
    sealing.seal()
    if len(signers) == 1:
        lines = [log_keys.new_key(old.key.name), *log_keys.read_lines()]
        log_keys.write_lines(lines)
    new = log_keys.signers()[0]
    append_key(new.key, reason=reason, replaces=str(old.key))
    _finish(new)
    return new


def replace_lost(*, reason: str) -> Signer:
    """Sign with a new key because the old one is lost: nothing vouches for it.

    The log says so for ever, and each reader has to decide whether to trust it.
    """
    _refuse_environment()
    known = vkeys()
    if not known:
        raise LogKeyError("the log has no key yet; make one with `log_key create`.")
    if log_keys.has_key() and str(log_keys.signers()[0].key) == str(known[0]):
        raise LogKeyError("the log's key is here; `log_key rotate` replaces it.")
    log_keys.write_lines([log_keys.new_key(known[0].name)])
    new = log_keys.signers()[0]
    append_key(new.key, reason=reason, replaces=str(known[0]), is_lost=True)
    _finish(new)
    return new


def _finish(new: Signer) -> None:
    cadence.seal_all()
    if LogLeaf.objects.waiting().filter(key=str(new.key)[-200:]).exists():
        sealing.seal()  # raises what keeps it from being signed
        raise LogKeyError("the new key waits for its signature; call this again.")
    log_keys.write_lines(log_keys.read_lines()[:1])


def _refuse_environment() -> None:
    if settings.ENV.log_key:
        raise LogKeyError(
            "the key comes from LOG_KEY; move it to LOG_KEY_FILE, which can be "
            "replaced step by step."
        )
