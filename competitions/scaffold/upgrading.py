"""Replace the engine of a vendored node by this one, and keep what was edited in it.

Each file is compared three ways by its digest: as it was vendored (VERSION.json), as it
is there, and as it is in this engine. The new engine is built beside the old one and
takes its place at the end, so a node has the one or the other.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from competitions.scaffold import vendor
from competitions.scaffold.errors import ScaffoldError
from core.files import new_folder, write_file

Action = Literal["add", "replace", "remove", "keep", "conflict"]
EDITS = "runtime-edits"
# Whoever installed the old requirements has to install the new ones.
_REQUIREMENTS, _INSTALLED = "requirements/base.txt", ".venv/.run"


class UpgradeConflictError(ScaffoldError):
    """Files that were edited in the node have changed in the engine, too."""

    code = "upgrade_conflict"
    status = 409


@dataclass(frozen=True)
class Step:
    """What becomes of one file; `keep` is an edit of a file that is as it was here."""

    action: Action
    path: str

    def __str__(self) -> str:
        return f"{self.action:<8}  {self.path}"


@dataclass
class Plan:
    """How a node comes from one version of the engine to another."""

    before: str
    after: str
    runtime: list[Step] = field(default_factory=list)
    shared: list[Step] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        return [*self.runtime, *self.shared]

    @property
    def conflicts(self) -> list[str]:
        return [step.path for step in self.steps if step.action == "conflict"]


@dataclass(frozen=True)
class Upgrade:
    """An engine that is ready to take the place of a node's, and the plan for it.

    `shared` are the engine's parts of the public package: path in the workspace, text.
    """

    plan: Plan
    node: Path
    shared: Mapping[str, str]
    draft: Path

    def apply(self, *, is_replacing: bool = False) -> None:
        """Do it: all of it, or nothing of the engine.

        Files in conflict are replaced only if `is_replacing`; the edited ones are then
        kept below `runtime-edits/`. Raises UpgradeConflictError, and ScaffoldError when
        the disk refuses.
        """
        if self.plan.conflicts and not is_replacing:
            raise UpgradeConflictError(
                f"edited in the node and changed in the engine: "
                f"{', '.join(self.plan.conflicts)}. Nothing was changed. Move the "
                "edits to the node's own folders, or replace the files by --replace, "
                f"which keeps them below {EDITS}/."
            )
        try:
            self._save_edits()
            self._carry_over()
            _take_place(self.draft, self.node / "runtime")
            for step in self.plan.shared:
                place = self.node.parent / step.path
                if step.action == "keep":
                    continue
                if step.path in self.shared:
                    write_file(place, self.shared[step.path])
                else:
                    place.unlink(missing_ok=True)
        except OSError as error:
            raise ScaffoldError(
                f"{error.filename} cannot be written: {error.strerror}."
            ) from None

    def _save_edits(self) -> None:
        for step in self.plan.steps:
            place = self.node / "runtime" / step.path
            if step in self.plan.shared:
                place = self.node.parent / step.path
            if step.action == "conflict" and place.is_file():
                kept = self.node / EDITS / self.plan.before / step.path
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, kept)

    def _carry_over(self) -> None:
        """Bring the edits that are kept into the new engine."""
        for step in self.plan.runtime:
            mine, new = self.node / "runtime" / step.path, self.draft / step.path
            if step.action != "keep":
                continue
            if mine.is_file():
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(mine, new)
            else:
                new.unlink(missing_ok=True)


@contextmanager
def prepared(node: Path, shared: Mapping[str, str]) -> Iterator[Upgrade]:
    """Compare a vendored node and its public package with this engine; change nothing.

    `shared` are the parts of the package that are the engine's, as they are now: path
    in the workspace to text. Raises ScaffoldError for a node that carries no engine.
    """
    runtime, root = node / "runtime", node.parent
    before = _vendored(runtime)
    try:
        draft = new_folder(runtime)
    except OSError as error:
        raise ScaffoldError(f"{node} cannot be written: {error.strerror}.") from None
    try:
        vendor.copy_engine(draft)
        (draft / vendor.SHARED_FILE).write_text(vendor.shared_digests(shared))
        after = _vendored(draft)
        mine = dict(_present(runtime))
        own = {
            path: vendor.sha256_of((root / path).read_bytes())
            for path in before.shared.keys() | after.shared.keys()
            if (root / path).is_file()
        }
        plan = Plan(before.version, after.version)
        plan.runtime = list(compare(before.files, mine, after.files))
        plan.shared = list(compare(before.shared, own, after.shared))
        yield Upgrade(plan, node, shared, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def compare(
    before: Mapping[str, str], mine: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Step]:
    """Yield what becomes of each file that is not the same here and there."""
    for path in sorted(before.keys() | mine.keys() | after.keys()):
        was, is_, comes = before.get(path), mine.get(path), after.get(path)
        if is_ == comes:
            continue
        if is_ != was:
            yield Step("keep" if comes == was else "conflict", path)
        elif comes is None:
            yield Step("remove", path)
        else:
            yield Step("add" if is_ is None else "replace", path)


class _Vendored(NamedTuple):
    version: str
    files: Mapping[str, str]
    shared: Mapping[str, str]


def _vendored(runtime: Path) -> _Vendored:
    file = runtime / vendor.VERSION_FILE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        files = dict(found["files"])
        return _Vendored(str(found["version"]), files, _shared_digests(runtime))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScaffoldError(
            f"{file} cannot be used ({error!r}). Only a node that carries its engine "
            "is upgraded so; one of layout thin by installing a newer package."
        ) from None


def _shared_digests(runtime: Path) -> dict[str, str]:
    file = runtime / vendor.SHARED_FILE
    if not file.is_file():  # a node of before
        return {}
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _present(runtime: Path) -> Iterator[tuple[str, str]]:
    """Yield path and digest of the engine's files, and of those added among them."""
    for name in vendor.FILES:
        if (runtime / name).is_file():
            yield name, vendor.sha256_of((runtime / name).read_bytes())
    for name in vendor.PACKAGES:
        for path, digest in vendor.digests_of(runtime / name):
            if "__pycache__" not in Path(path).parts:
                yield f"{name}/{path}", digest


def _take_place(draft: Path, runtime: Path) -> None:
    """Put the new engine in the place of the old; what is not of it moves over."""
    own = {*vendor.PACKAGES, *vendor.FILES}
    own |= {vendor.VERSION_FILE, vendor.SHARED_FILE}
    old = new_folder(runtime)
    old.rmdir()
    is_other = (draft / _REQUIREMENTS).read_bytes() != _bytes(runtime / _REQUIREMENTS)
    runtime.rename(old)
    try:
        for entry in old.iterdir():
            if entry.name not in own:
                entry.rename(draft / entry.name)
        draft.rename(runtime)
    except OSError:
        for entry in draft.iterdir():
            if entry.name not in own:
                entry.rename(old / entry.name)
        old.rename(runtime)
        raise
    if is_other:
        (runtime / _INSTALLED).unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)


def _bytes(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""
