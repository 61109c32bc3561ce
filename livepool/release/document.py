"""The summary document, the release manifest and the heartbeat of a release."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from livepool.artifacts import CONTRACT_VERSION, FILES
from livepool.stores import ROOT_PREFIX, ReleaseStore


def summary(
    files: Mapping[str, bytes], store: ReleaseStore, *, generated_at: datetime
) -> dict[str, Any]:
    """The document that downstream systems read; its order is that of live_pool.json.

    A map in Firestore forgets the order of its keys; `symbols` keeps it.
    """
    pool = json.loads(files[FILES["live_pool"]])
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
    payload: Mapping[str, Any],
    store: ReleaseStore,
    *,
    dry_run: bool,
    publish_enabled: bool,
    address: tuple[str, str],
) -> dict[str, Any]:
    """What a publication would write, or wrote, and where; kept beside the files."""
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


def heartbeat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The small proof of life that is kept for every published version."""
    keys = ("version", "as_of_date", "mode", "pool_size", "symbols", "storage_prefix")
    return {
        **{key: payload[key] for key in keys},
        "generated_at": payload["generated_at"],
        "workflow_run_id": None,
        "workflow_run_url": None,
    }
