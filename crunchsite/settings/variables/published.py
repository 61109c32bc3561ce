"""Variables of what is published: the live pool, its stores, and the log."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import one_of, setting
from feeds.tape.records import SOURCES
from livepool.model.parameters import DEFAULT_MODE, PROFILES


class PoolVariables(BaseSettings):
    """What is published, from which candles and to which store."""

    publish_enabled: bool = setting(
        False,
        "Whether releases are published and their daily candles subscribed; if not, "
        "every run is a dry run. `manage.py up` turns it on for the local store.",
    )
    publish_mode: Annotated[str, one_of(*PROFILES)] = setting(
        DEFAULT_MODE, "Mode of the published pool: core_major or broad_liquid."
    )
    livepool_source: Annotated[str, one_of(*SOURCES)] = setting(
        "", "Feed source of the daily candles. Empty: FEED_SOURCE."
    )
    livepool_excluded_symbols: str = setting(
        "", "Symbols that never enter the pool, comma separated, like JUPUSDT."
    )
    livepool_output_dir: Path = setting(
        Path("data/output"), "Folder in which releases and shadow histories are built."
    )
    livepool_store_dir: str = setting(
        "",
        "Folder of the local store; unused with CLOUD_BUCKET. Empty: livepool below "
        "VAR_DIR.",
    )
    livepool_signing_key_file: str = setting(
        "", "Ed25519 private key (PEM) that signs releases. Empty: not signed."
    )
    log_key_file: str = setting(
        "",
        "Private key that signs the site's log, for its owner only (0600); `manage.py "
        "log_key create` makes it, and the last signed head is kept beside it. Empty: "
        "proofs/log_key below VAR_DIR.",
    )
    log_key: str = setting(
        "", "The key that signs the log itself, instead of a file.", repr=False
    )
    log_timestamp_url: str = setting(
        "",
        "Authority that stamps the log's newest head each hour (RFC 3161), like "
        "https://tsa.example.org. Empty: none.",
    )
    log_timestamp_ca: str = setting(
        "",
        "File with the certificates (PEM) that the time stamps must lead to.",
        validate_default=True,
    )
    cloud_bucket: str = setting(
        "",
        "Google Cloud Storage bucket of the releases. Empty: the local store.",
        validation_alias=AliasChoices("cloud_bucket", "gcs_bucket"),
    )
    cloud_project_id: str = setting(
        "",
        "Google Cloud project of the stores.",
        validation_alias=AliasChoices("cloud_project_id", "gcp_project_id"),
    )
    firestore_collection: str = setting(
        "strategy", "Collection of the live pool's summary document."
    )
    firestore_document: str = setting(
        "CRYPTO_LIVE_POOL_ROTATION_LIVE_POOL", "Name of the summary document."
    )

    @field_validator("log_timestamp_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("give an address like https://tsa.example.org")
        return value

    @field_validator("log_timestamp_ca")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("log_timestamp_url") and not Path(value).is_file():
            raise ValueError("name the file with the authority's certificates (PEM)")
        return value
