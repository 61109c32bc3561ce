"""Make and revoke keys; each leaves an entry in the trail."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from competitions.models import Competition, Cruncher
from competitions.submissions.going_live import refuse_those_of
from core import audit, clock
from core.errors import OperatorError
from core.texts import brief
from crunchsite.keys import tokens
from crunchsite.keys.models import ApiKey


class KeyInvalidError(OperatorError):
    """The key cannot be made as requested, or does not exist."""

    code = "key_invalid"
    status = 422


@transaction.atomic
def create_key(
    *,
    name: str,
    scopes: Iterable[str],
    competition: Competition | None = None,
    cruncher: Cruncher | None = None,
    expires_at: datetime | None = None,
    user: Any = None,
) -> tuple[ApiKey, str]:
    """Make a key; return it with its text, which cannot be shown again.

    `user` is who makes it; without one the trail shows the key's own account. Raises
    KeyInvalidError for scopes that are not possible for its cruncher or competition,
    and for an end in the past.
    """
    prefix, token = tokens.make_token()
    key = ApiKey(
        prefix=prefix,
        digest=tokens.digest_of(token),
        name=name,
        scopes=sorted(set(scopes)),
        competition=competition,
        cruncher=cruncher,
        expires_at=expires_at,
        created_at=clock.now(),
    )
    try:
        key.full_clean(exclude=["account"])
    except ValidationError as error:
        raise KeyInvalidError(" ".join(error.messages)) from None
    key.account = account_of(prefix)
    key.save()
    what = f"made with {', '.join(key.scopes)} for {key.reach}"
    audit.note(user or key.account, [key], flag=ADDITION, what=what)
    return key, token


def account_of(name: str) -> User:
    """Return the account that the trail shows for a key; nobody can log in with it."""
    user, is_new = User.objects.get_or_create(
        username=f"key.{name}", defaults={"is_active": False}
    )
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


@transaction.atomic
def revoke_key(*, key_id: int, user: Any = None) -> bool:
    """Revoke a key at once and for good; returns False when it was revoked before.

    What it has submitted, and is not checked yet, is refused.
    """
    now = clock.now()
    is_first = bool(
        ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now)
    )
    if is_first:
        key = ApiKey.objects.select_related("account").get(pk=key_id)
        audit.note(user or key.account, [key], flag=CHANGE, what="revoked")
        refuse_those_of(key.account_id)
    return is_first


def find_key(text: str) -> ApiKey:
    """Return the key with a prefix, as shown or without `csk_`; never by its secret.

    Raises KeyInvalidError if there is none.
    """
    prefix = text.removeprefix("csk_").split("_")[0]
    key = ApiKey.objects.filter(prefix=prefix).first() if prefix.isalnum() else None
    if key is None:
        raise KeyInvalidError(
            f"no key begins with {brief(prefix[: tokens.PREFIX_LENGTH])}; "
            "`manage.py key list` shows those that exist."
        )
    return key
