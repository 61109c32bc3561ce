"""The workspace whose node this site runs, where WORKSPACE names one.

A node brings its environment (`.local.env.example`, `.local.env`,
`config/callables.env`; a later file wins, and the process's environment wins over all),
its modules, and those of the public package beside it.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from core.errors import OperatorError
from core.workspaces import NODE_PACKAGES


class WorkspaceError(OperatorError):
    """WORKSPACE names a folder that is no node of a workspace."""

    code = "workspace_invalid"


@dataclass(frozen=True)
class NodeFolder:
    """A node and the public package beside it, as `coordinator init` made them."""

    node: Path
    challenge: Path
    package: str
    slug: str
    title: str
    pack: str

    @property
    def env_files(self) -> tuple[Path, ...]:
        """Return the files of its environment; a later one wins."""
        return (
            self.node / ".local.env.example",
            self.node / ".local.env",
            self.node / "config" / "callables.env",
        )

    @property
    def spec_file(self) -> Path:
        return self.node.parent / "spec.json"

    @property
    def schedule_file(self) -> Path:
        return self.node / "config" / "scheduled_prediction_configs.json"

    @property
    def examples(self) -> Path:
        """Return the folder of the models to begin with; it need not exist."""
        return self.challenge / self.package / "examples"

    @property
    def packages(self) -> tuple[str, ...]:
        return (*NODE_PACKAGES, self.package)

    def example_models(self) -> dict[str, str]:
        """Return the source of each example as a submission's main.py, by its name.

        In the package it imports the base class from there; a submission finds it as
        the module `tracker`.
        """
        return {
            path.stem.removesuffix("_tracker"): path.read_text(
                encoding="utf-8"
            ).replace(f"from {self.package}.tracker import", "from tracker import")
            for path in sorted(self.examples.glob("*_tracker.py"))
        }

    def admit(self) -> None:
        """Let modules of the node and of the public package be imported."""
        for folder in (self.challenge, self.node):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))


def read_workspace(folder: str) -> NodeFolder | None:
    """Return the node at `folder`, which may be the workspace too; None for none.

    Raises WorkspaceError naming the file that is missing or wrong.
    """
    if not folder:
        return None
    given = Path(folder).resolve()
    root = given if (given / "spec.json").is_file() else given.parent
    try:
        spec = json.loads((root / "spec.json").read_text(encoding="utf-8"))
        slug, layout, pack = spec["name"], spec["layout"], spec["pack"]
        title = spec.get("title") or slug.replace("-", " ").capitalize()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkspaceError(
            f"WORKSPACE was {folder}: {root / 'spec.json'} cannot be used ({error!r}). "
            "Give the folder of a node that `coordinator init` made."
        ) from None
    is_base = layout == "base"
    found = NodeFolder(
        node=root / ("node" if is_base else f"crunch-node-{slug}"),
        challenge=root / ("challenge" if is_base else f"crunch-{slug}"),
        package=f"crunch_{slug.replace('-', '_')}",
        slug=slug,
        title=title,
        pack=pack,
    )
    for part in (found.node, found.challenge):
        if not part.is_dir():
            raise WorkspaceError(f"WORKSPACE was {folder}: {part} is no folder.")
    return found
