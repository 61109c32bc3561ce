"""Operate local models: view, stop, start, restart, remove.

Functions for the admin page and the command line; `model_folders` adds models. They
exchange files with the orchestrator in its log folder, so they work from any process
that can open it, and a request survives a restart of either side.
"""

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from competitions.local_models import submission
from competitions.local_models.process import State
from competitions.local_models.trees import open_itself, open_plain, take_away
from core.errors import OperatorError
from core.files import write_file
from core.parsing import JsonError, parse_json
from core.texts import describe, readable

STATUS_FILE = "status.json"
HEARTBEAT_FILE = "alive"
LARGEST_STATUS_BYTES = 16 * 2**20
MOST_STATUS_VALUES = 1_000_000
LARGEST_TAIL_BYTES = 64 * 2**10


class ControlError(OperatorError):
    """A request that cannot be met; the text says what was found and what to do."""

    code = "local_model_invalid"
    status = 409


@dataclass(frozen=True)
class ModelStatus:
    """One local model as its orchestrator last reported it.

    `state` is STARTING, RUNNING, RECOVERING, STOPPED or QUARANTINED; `error` says why
    it is not running, or why it ended last. `changed_at` is ISO 8601 in UTC. `sandbox`
    describes its bounds.
    """

    model_id: str
    name: str
    cruncher: str
    state: str
    error: str
    restarts: int
    deployment_id: str
    code_hash: str
    changed_at: str
    sandbox: str
    pid: int | None


def status(logs_dir: Path) -> list[ModelStatus]:
    """Return all models by id; empty if no orchestrator of this version has run.

    Models of level 1 may be able to write to the file, so invalid rows are skipped.
    """
    try:
        rows = parse_json(
            _tail(logs_dir / STATUS_FILE, LARGEST_STATUS_BYTES),
            largest_bytes=LARGEST_STATUS_BYTES,
            most_values=MOST_STATUS_VALUES,
        )
    except JsonError:
        return []
    if not isinstance(rows, list):
        return []
    return [row for value in rows if (row := _row(value)) is not None]


def _row(value: Any) -> ModelStatus | None:
    try:
        row = ModelStatus(**value)
        is_aware = datetime.fromisoformat(row.changed_at).tzinfo is not None
    except (TypeError, ValueError):
        return None
    is_typed = all(
        isinstance(getattr(row, field.name), cast("Any", field.type))
        for field in fields(row)
    )
    if not (is_aware and is_typed and row.state in get_args(State)):
        return None
    if not submission.is_model_id(row.model_id):
        return None
    return replace(
        row,
        name=readable(row.name),
        cruncher=readable(row.cruncher),
        error=readable(row.error),
    )


def touch_heartbeat(logs_dir: Path) -> None:
    """Record that the orchestrator works; it calls this with each scan."""
    logs_dir.mkdir(parents=True, exist_ok=True)
    (logs_dir / HEARTBEAT_FILE).touch()


def seen_at(logs_dir: Path) -> datetime | None:
    """Return when the orchestrator last worked; None if never."""
    try:
        seconds = (logs_dir / HEARTBEAT_FILE).lstat().st_mtime
        return datetime.fromtimestamp(seconds, UTC)
    except (OSError, ValueError, OverflowError):
        return None


def write_status(logs_dir: Path, statuses: list[ModelStatus]) -> None:
    """Replace the status file as a whole; for the orchestrator."""
    rows = json.dumps([asdict(row) for row in statuses], indent=1)
    write_file(logs_dir / STATUS_FILE, rows)


def without_path(error: BaseException) -> str:
    """Return why, for a stranger: what the system says of a file names its path."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return describe(error, limit=200)


def remove(*, models_dir: Path, logs_dir: Path, model_id: str) -> None:
    """Delete a model's folder; its answers and its log remain."""
    _require_known(logs_dir, model_id)
    try:
        take_away(models_dir / model_id)
    except FileNotFoundError:  # the list knows it for a second longer
        raise ControlError(f"model was {model_id!r}, which is removed.") from None
    for name in ("stopped", "restart"):
        _flag(logs_dir, model_id, name).unlink(missing_ok=True)


def stop(*, logs_dir: Path, model_id: str) -> None:
    """Stop a model until `start`, even when the orchestrator restarts."""
    _require_known(logs_dir, model_id)
    _create_flag(_flag(logs_dir, model_id, "stopped"))


def start(*, logs_dir: Path, model_id: str) -> None:
    """Undo `stop`; a quarantined model needs `restart` or an edit."""
    _require_known(logs_dir, model_id)
    _flag(logs_dir, model_id, "stopped").unlink(missing_ok=True)


def restart(*, logs_dir: Path, model_id: str) -> None:
    """Start a model anew, also out of quarantine or after `stop`."""
    start(logs_dir=logs_dir, model_id=model_id)
    _create_flag(_flag(logs_dir, model_id, "restart"))


def is_stopped(logs_dir: Path, model_id: str) -> bool:
    return _flag(logs_dir, model_id, "stopped").exists()


def take_restart(logs_dir: Path, model_id: str) -> bool:
    """Return True once for each requested restart; for the orchestrator."""
    try:
        _flag(logs_dir, model_id, "restart").unlink()
    except FileNotFoundError:
        return False
    return True


def log_tail(*, logs_dir: Path, model_id: str, lines: int = 50) -> str:
    """Return the newest lines that a model has printed, cleaned."""
    _require_known(logs_dir, model_id)
    data = _tail(logs_dir / f"{model_id}.log", LARGEST_TAIL_BYTES)
    text = readable(data.decode(errors="replace"), limit=LARGEST_TAIL_BYTES)
    return "\n".join(text.splitlines()[-lines:])


def _tail(path: Path, most_bytes: int) -> bytes:
    """Return the end of a regular file; empty for links, pipes, folders and no file.

    A model that can replace its log must not choose what the site's pages show.
    """
    try:
        with open_plain(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
            return file.read(most_bytes)
    except OSError:
        return b""


def _require_known(logs_dir: Path, model_id: str) -> None:
    known = [row.model_id for row in status(logs_dir)]
    if model_id not in known:
        raise ControlError(
            f"model was {model_id!r}; "
            f"the local models are {', '.join(known) or 'none'}."
        )


def _flag(logs_dir: Path, model_id: str, name: str) -> Path:
    folder = logs_dir / "control"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{model_id}.{name}"


def _create_flag(flag: Path) -> None:
    """Create the flag's file; never the target of a link in its place."""
    os.close(open_itself(str(flag), os.O_WRONLY | os.O_CREAT))
