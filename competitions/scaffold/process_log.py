"""Write what made a workspace as lines of JSON, for whoever asks later."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import clock

if TYPE_CHECKING:
    from competitions.scaffold.render import Workspace

NAME = "process-log.jsonl"


def upgraded_line(slug: str, before: str, after: str) -> str:
    """Return the line that a node's engine was replaced."""
    return _line(
        phase="upgrade",
        action="runtime_upgraded",
        status="ok",
        workspace=slug,
        before=before,
        after=after,
    )


def lines(workspace: "Workspace", actions: Sequence[str]) -> str:
    """Return one line for each action: phase, action, names and the instant (UTC)."""
    return "".join(
        _line(
            phase="init",
            action=action,
            status="ok",
            workspace=workspace.names.slug,
            challenge=workspace.names.challenge,
            pack=workspace.answers.pack,
            layout=workspace.layout,
        )
        for action in actions
    )


def _line(**facts: str | None) -> str:
    made_at = clock.now().isoformat().replace("+00:00", "Z")
    row = {"timestamp": made_at, **facts}
    return json.dumps(row, separators=(",", ":")) + "\n"
