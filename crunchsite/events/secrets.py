"""Make, encrypt and use the secrets that sign webhooks."""

import base64
import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from standardwebhooks import Webhook as Signer

from core.errors import OperatorError

SECRET_BYTES = 32


class SecretUnreadableError(OperatorError):
    """A secret was encrypted with another SECRET_KEY."""

    code = "secret_unreadable"


def make_secret() -> str:
    """Return a new secret as Standard Webhooks writes them: `whsec_` and base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def seal(secret: str) -> str:
    """Return the encrypted secret for the database, useless without SECRET_KEY."""
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the secret; raises SecretUnreadableError after SECRET_KEY has changed."""
    try:
        return _box().decrypt(sealed).decode()
    except InvalidToken:
        raise SecretUnreadableError(
            "the secret was encrypted with another SECRET_KEY; rotate it, and give the "
            "receiver the new one"
        ) from None


def sign(
    sealed: Iterable[str], *, message_id: str, at: datetime, body: str
) -> dict[str, str]:
    """Return the headers of a signed message, a signature for each of the secrets."""
    signatures = (Signer(unseal(each)).sign(message_id, at, body) for each in sealed)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    """Return a key for this purpose only."""
    digest = hashlib.sha256(f"crunchsite.webhooks:{key}".encode()).digest()
    return base64.urlsafe_b64encode(digest)
