"""The holder of a key, used in place of Django's user."""

from functools import cached_property

from core.acts import OF_COMPETITIONS
from crunchsite.keys.issuing import account_of
from crunchsite.keys.key_scopes import ACTS_OF_CRUNCHER, KeyScope, acts_of
from crunchsite.keys.models import ApiKey

# Within no competition, although it is named like what is.
OF_THE_SITE = frozenset({"competitions.add_competition"})


class KeyHolder:
    """A program, which `core.acts.may` checks like an operator.

    It is not staff: the admin accepts no key.
    """

    is_key = True
    is_active = True
    is_authenticated = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        self.competition_id = key.competition_id
        self.cruncher_id = key.cruncher_id

    def __str__(self) -> str:
        return self.get_username()

    def get_username(self) -> str:
        """Return the name under which the trail shows what the key does."""
        return f"key.{self.key.prefix}"

    @cached_property
    def pk(self) -> int:
        """Return the account for the trail; that of API_KEY is made on first use."""
        return self.key.account_id or account_of(self.key.prefix).pk

    @property
    def acts_on_own(self) -> frozenset[str]:
        """Return the acts that a cruncher's key allows on the cruncher's own rows."""
        return ACTS_OF_CRUNCHER if KeyScope.MODELS in self.key.scopes else frozenset()

    def has_perm(self, act: str) -> bool:
        """Return whether a role of the key's scopes has the permission."""
        app = act.partition(".")[0]
        if self.competition_id is not None and (
            app not in OF_COMPETITIONS or act in OF_THE_SITE
        ):
            return False
        return act in self._permissions

    @cached_property
    def _permissions(self) -> frozenset[str]:
        if self.cruncher_id is not None:
            return frozenset()
        return acts_of(self.key.scopes)
