"""Build the summary document, the release manifest and the heartbeat of a release."""

from datetime import datetime
from typing import Any, TypedDict

from livepool.artifacts import CONTRACT_VERSION, FILES, BaseAsset, PoolPayload
from livepool.stores import ROOT_PREFIX, ReleaseStore


class SummaryDocument(TypedDict):
    """The document that downstream systems read."""

    as_of_date: str
    mode: str
    version: str
    pool_size: int
    symbols: list[str]
    symbol_map: dict[str, BaseAsset]
    storage_prefix: str
    current_prefix: str
    live_pool_legacy_uri: str
    live_pool_uri: str
    latest_universe_uri: str
    latest_ranking_uri: str
    versioned_live_pool_legacy_uri: str
    artifact_manifest_uri: str
    versioned_artifact_manifest_uri: str
    artifact_contract_version: str
    generated_at: str
    source_project: str


class Heartbeat(TypedDict):
    """A small record that is written for every published version."""

    version: str
    as_of_date: str
    mode: str
    pool_size: int
    symbols: list[str]
    storage_prefix: str
    generated_at: str
    workflow_run_id: None
    workflow_run_url: None


def summary(
    pool: PoolPayload, store: ReleaseStore, *, generated_at: datetime
) -> SummaryDocument:
    """Return the document of a release; its order is that of live_pool.json.

    Maps in Firestore have no order; `symbols` keeps it.
    """
    release = f"releases/{pool['version']}"

    def current(name: str) -> str:
        return store.uri(f"current/{FILES[name]}")

    def versioned(name: str) -> str:
        return store.uri(f"{release}/{FILES[name]}")

    return {
        "as_of_date": pool["as_of_date"],
        "mode": pool["mode"],
        "version": pool["version"],
        "pool_size": pool["pool_size"],
        "symbols": pool["symbols"],
        "symbol_map": pool["symbol_map"],
        "storage_prefix": store.uri(release),
        "current_prefix": store.uri("current"),
        "live_pool_legacy_uri": current("live_pool_legacy"),
        "live_pool_uri": current("live_pool"),
        "latest_universe_uri": current("latest_universe"),
        "latest_ranking_uri": current("latest_ranking"),
        "versioned_live_pool_legacy_uri": versioned("live_pool_legacy"),
        "artifact_manifest_uri": current("artifact_manifest"),
        "versioned_artifact_manifest_uri": versioned("artifact_manifest"),
        "artifact_contract_version": CONTRACT_VERSION,
        "generated_at": generated_at.isoformat(),
        "source_project": pool["source_project"],
    }


def release_manifest(
    payload: SummaryDocument,
    store: ReleaseStore,
    *,
    dry_run: bool,
    publish_enabled: bool,
    address: tuple[str, str],
) -> dict[str, Any]:
    """Return what a publication writes and where; stored beside the files."""
    release = f"releases/{payload['version']}"
    collection, document = address
    return {
        "version": payload["version"],
        "mode": payload["mode"],
        "dry_run": dry_run,
        "publish_enabled": publish_enabled,
        "as_of_date": payload["as_of_date"],
        "release_prefix": f"{ROOT_PREFIX}/{release}",
        "current_prefix": f"{ROOT_PREFIX}/current",
        "artifacts": {
            name: {
                "release_object": f"{ROOT_PREFIX}/{release}/{file}",
                "current_object": f"{ROOT_PREFIX}/current/{file}",
                "release_uri": store.uri(f"{release}/{file}"),
                "current_uri": store.uri(f"current/{file}"),
            }
            for name, file in FILES.items()
        },
        "firestore": {
            "collection": collection,
            "document": document,
            "payload": dict(payload),
        },
    }


def heartbeat(payload: SummaryDocument) -> Heartbeat:
    """Return the heartbeat of a release that was published."""
    return {
        "version": payload["version"],
        "as_of_date": payload["as_of_date"],
        "mode": payload["mode"],
        "pool_size": payload["pool_size"],
        "symbols": payload["symbols"],
        "storage_prefix": payload["storage_prefix"],
        "generated_at": payload["generated_at"],
        "workflow_run_id": None,
        "workflow_run_url": None,
    }
