"""Import the modules of several workspaces side by side, though their names are alike.

`workspaces.hot_days.runtime_definitions.data` is the module `runtime_definitions.data`
of the workspace hot_days. An absolute import in one of its modules finds the
workspace's own modules first, and others as ever: its code needs no change.
"""

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = "workspaces"

# The folders of a workspace that modules are in, as `core.workspaces.keep_in` has them.
FOLDERS = ("node", "challenge")
# Packages of a node that callables may come from, where they exist.
NODE_PACKAGES = ("runtime_definitions", "plugins", "extensions")

_home: Path | None = None


def keep_in(home: Path) -> None:
    """Let the modules of the workspaces in a folder be imported, now and later.

    `home/<name>/node` and `home/<name>/challenge` hold those of `workspaces.<name>`.
    """
    global _home  # noqa: PLW0603  the site sets it once, when it starts
    _home = home
    if not any(isinstance(finder, _WorkspaceFinder) for finder in sys.meta_path):
        sys.meta_path.insert(
            0, _WorkspaceFinder()
        )  # before the one that finds all modules


def _folders(name: str) -> list[str]:
    """Return the folders of a workspace that are there; none for a name without one."""
    if _home is None or not name.isidentifier():
        return []
    places = [_home / name / folder for folder in FOLDERS]
    return [str(place) for place in places if place.is_dir()]


def find_module(fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Return where a module is, a workspace's or another below `path`; None for none.

    Imports nothing.
    """
    root, _, name = fullname.partition(".")
    if root != ROOT:
        return PathFinder.find_spec(fullname, path)
    if "." not in name:
        folders = _folders(name)
        return _package(fullname, folders) if folders or not name else None
    leaf = Path(fullname.rpartition(".")[2])
    above = [Path(each) for each in path or ()]
    folders = [str(each / leaf) for each in above if (each / leaf).is_dir()]
    is_plain = not any(
        (each / inner).is_file()
        for each in above
        for inner in (leaf.with_suffix(".py"), leaf / "__init__.py")
    )
    if folders and is_plain:  # PathFinder would look its parent up, which is not loaded
        return _package(fullname, folders)
    return PathFinder.find_spec(fullname, path)


def _package(fullname: str, folders: list[str]) -> ModuleSpec:
    """Return the place of a package without a file of its own."""
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


class _WorkspaceFinder(MetaPathFinder):
    """Finds `workspaces`, each workspace, and the modules in its folders."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != ROOT:
            return None
        spec = find_module(fullname, path)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _WorkspaceLoader(spec.loader.name, spec.loader.path)
        return spec


class _WorkspaceLoader(SourceFileLoader):
    """Runs a module with an `import` that looks into its workspace first."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.split(".")[1]
        own: Mapping[str, Any] = {**vars(builtins), "__import__": _importer(name)}
        module.__dict__["__builtins__"] = own
        super().exec_module(module)


def _importer(name: str) -> Callable[..., ModuleType]:
    def load(
        module: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  as Python calls it
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level or not _has(name, module.partition(".")[0]):
            return builtins.__import__(module, globals, locals, fromlist or (), level)
        inner = f"{ROOT}.{name}.{module}"
        found = import_module(inner)
        if fromlist:
            return builtins.__import__(inner, globals, locals, fromlist, 0)
        top = f"{ROOT}.{name}.{module.partition('.')[0]}"
        return sys.modules.get(top, found)

    return load


def _has(name: str, top: str) -> bool:
    """Return whether a workspace has a module or a package of this name itself."""
    return any(
        Path(folder, top).is_dir() or Path(folder, f"{top}.py").is_file()
        for folder in _folders(name)
    )
