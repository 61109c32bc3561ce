"""Write what made a workspace as lines of JSON, for whoever asks later."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core import clock

if TYPE_CHECKING:
    from competitions.scaffold.render import Workspace

NAME = "process-log.jsonl"


def lines(workspace: "Workspace", actions: Sequence[str]) -> str:
    """Return one line for each action: phase, action, names and the instant (UTC)."""
    made_at = clock.now().isoformat().replace("+00:00", "Z")
    return "".join(
        json.dumps(
            {
                "timestamp": made_at,
                "phase": "init",
                "action": action,
                "status": "ok",
                "workspace": workspace.names.slug,
                "challenge": workspace.names.challenge,
                "pack": workspace.answers.pack,
                "layout": workspace.layout,
            },
            separators=(",", ":"),
        )
        + "\n"
        for action in actions
    )
