"""Variables of the parts that the site runs on: servers, models' side, folders."""

from pathlib import Path

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import setting


class ServerVariables(BaseSettings):
    """Servers, models and places; empty means the embedded part of `manage.py up`."""

    database_url: str = setting(
        "",
        "PostgreSQL 15 or newer, postgresql://user:password@host:port/name. "
        "Empty: the embedded server under VAR_DIR.",
    )
    tape_database_url: str = setting(
        "", "PostgreSQL of the tape. Empty: the same as DATABASE_URL."
    )
    redis_url: str = setting(
        "",
        "Redis or Valkey, redis://host:port/0. Empty: the embedded server.",
    )
    model_runner_node_host: str = setting(
        "",
        "Host of the model orchestrator, or the path of its unix socket. Empty: the "
        "embedded local models.",
    )
    model_runner_node_port: int = setting(
        9091, "WebSocket port of the model orchestrator."
    )
    model_runner_timeout_s: float = setting(
        5.0,
        "Time limit of one call to a model, in real seconds.",
        gt=0,
        validation_alias=AliasChoices(
            "model_runner_timeout_s", "model_runner_timeout_seconds"
        ),
    )
    secure_cert_dir: str = setting(
        "",
        "Folder with ca.crt, tls.crt and tls.key for models' nodes that ask for "
        "mutual TLS. Empty: plain connections.",
    )
    gateway_cert_dir: str = setting(
        "",
        "Folder with tls.crt and tls.key for models behind a TLS gateway that asks "
        "for signed tokens. Not together with SECURE_CERT_DIR.",
    )
    model_base_classname: str = setting(
        "tracker.TrackerBase", "Base class that a participant's model derives from."
    )
    local_models_dir: str = setting(
        "",
        "Folder of the embedded models: one sub-folder each. Empty: models below "
        "VAR_DIR, which begins with the examples.",
    )
    local_models_competition: str = setting(
        "btc-demo", "Slug of the competition that the embedded models take part in."
    )
    local_models_level: int = setting(
        2,
        "Sandbox of the embedded models. 1, for machines without namespaces, leaves "
        "the network and readable files open to them.",
        ge=1,
        le=2,
    )
    workspace: str = setting(
        "",
        "Folder of a node that `coordinator init` made: the site runs its competition "
        "in place of the demo. Set in the process's environment, not in a file.",
    )
    port: int = setting(8000, "Port of the site.", ge=1, le=65535)
    var_dir: Path = setting(
        Path("var"), "Data, sockets and logs of the embedded parts."
    )
