"""Every environment variable of crunchsite, typed, read once."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from core import workspaces
from core.errors import OperatorError
from core.texts import listed
from crunchsite.settings.variables.contracts import ContractVariables
from crunchsite.settings.variables.declaring import networks
from crunchsite.settings.variables.market_data import MarketVariables
from crunchsite.settings.variables.published import PoolVariables
from crunchsite.settings.variables.servers import ServerVariables
from crunchsite.settings.variables.site_time import TimeVariables
from crunchsite.settings.variables.verifying import VerifyVariables
from crunchsite.settings.variables.web_access import WebVariables
from crunchsite.settings.workspace import NodeFolder, read_workspace

BASE_DIR = Path(__file__).resolve().parent.parent.parent
WORKSPACE = read_workspace(os.environ.get("WORKSPACE", ""))  # noqa: TID251
# Whether this is a wheel in an environment, and not a folder of its own.
IS_INSTALLED = not (BASE_DIR / "manage.py").exists()
# Where the site's data and `.env` are, unless a variable says otherwise.
SITE_DIR = (WORKSPACE.node if WORKSPACE else Path.cwd()) if IS_INSTALLED else BASE_DIR
# Modules and packages that wirings may name beside CALLABLE_PACKAGES.
OWN_CALLABLES: tuple[str, ...] = (
    "competitions.contract",
    "competitions.defaults",
    "competitions.packs",
    "scoring.metrics",
)


class Env(  # fields stand in `.env.example` from the last base on
    VerifyVariables,
    WebVariables,
    PoolVariables,
    ContractVariables,
    TimeVariables,
    MarketVariables,
    ServerVariables,
):
    """The site's configuration; a value that cannot be used is an error."""

    model_config = SettingsConfigDict(
        env_file=(SITE_DIR / ".env", *(WORKSPACE.env_files if WORKSPACE else ())),
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    @property
    def node(self) -> NodeFolder | None:
        return WORKSPACE

    @property
    def var(self) -> Path:
        return ((WORKSPACE.node if WORKSPACE else SITE_DIR) / self.var_dir).resolve()

    @property
    def models_dir(self) -> Path:
        return SITE_DIR / (self.local_models_dir or self.var / "models")

    @property
    def backfill_dir(self) -> Path:
        # Two sites of one project have two VAR_DIRs, and may have two prices of a feed.
        home = self.var if "var_dir" in self.model_fields_set else SITE_DIR
        return SITE_DIR / (self.backfill_data_dir or home / "data" / "backfill")

    @property
    def excluded_symbols(self) -> frozenset[str]:
        return frozenset(map(str.upper, listed(self.livepool_excluded_symbols)))

    @property
    def pool_store_dir(self) -> Path:
        return SITE_DIR / (self.livepool_store_dir or self.var / "livepool")

    @property
    def packages(self) -> tuple[str, ...]:
        own = WORKSPACE.packages if WORKSPACE else ()
        return (*listed(self.callable_packages), workspaces.ROOT, *own)

    @property
    def workspaces(self) -> Path:
        return SITE_DIR / self.workspaces_dir

    @property
    def hosts(self) -> tuple[str, ...]:
        return listed(self.allowed_hosts)

    @property
    def own_routes(self) -> tuple[str, ...]:
        return listed(self.api_routes)

    @property
    def public_prefixes(self) -> tuple[str, ...]:
        return listed(self.api_public_prefixes)

    @property
    def admin_prefixes(self) -> tuple[str, ...]:
        return listed(self.api_admin_prefixes)

    @property
    def subjects(self) -> tuple[str, ...]:
        return listed(self.feed_subjects)

    @property
    def chosen_subjects(self) -> tuple[str, ...]:
        """The subjects that somebody has set; none when it is the default."""
        return self.subjects if "feed_subjects" in self.model_fields_set else ()

    @property
    def cors_origins(self) -> tuple[str, ...]:
        return listed(self.api_cors_origins)

    @property
    def receiver_networks(self) -> list[IPv4Network | IPv6Network]:
        return networks(self.webhook_networks)


_KINDS = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
}


def _advice(error: ErrorDetails) -> str:
    """What to give instead, by our own check or by pydantic's."""
    if error["type"] in _KINDS:
        return f"give {_KINDS[error['type']]}"
    ours = error.get("ctx", {}).get("error")
    return str(ours) if ours else error["msg"][0].lower() + error["msg"][1:]


class EnvError(OperatorError):
    """A variable has a value that cannot be used."""

    code = "environment_invalid"


def read_env(*files: Path) -> Env:
    """Read and check the environment; raises EnvError naming each bad variable.

    `files` are read instead of this site's own; a later one wins.
    """
    try:
        return Env(_env_file=files) if files else Env()
    except ValidationError as error:
        problems = "; ".join(
            f"{str(e['loc'][0]).upper()} was {e['input']!r}: {_advice(e)}"
            for e in error.errors()
        )
        raise EnvError(f"{problems}. Correct the environment or .env.") from None
