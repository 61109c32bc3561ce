"""Take a workspace into a running site, as a competition with modules of its own.

Its code is copied to `WORKSPACES_DIR/<name>/`, where the name ends in a digest of the
code: other code gets another name, so what runs is never changed under its feet.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from competitions import lifecycle
from competitions.models import Competition
from competitions.packs import Pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.installed import pack_of
from competitions.scaffold.render import SPEC_FILE
from competitions.slots import SLOTS, default_path
from core.files import new_folder
from core.workspaces import FOLDERS, ROOT

CONTRACT_FILE = Path("runtime_definitions/contracts.py")
# The engine's copy, data, secrets: not the competition's code.
_LEFT_OUT = frozenset({"runtime", "var", "__pycache__", ".venv", ".git"})
_SUFFIXES = frozenset({".py", ".json", ".env", ".md", ".toml", ".csv", ".txt"})
# Rows of the site hold what they say, so that other words are no other code.
_STORED_IN_ROWS = frozenset(
    {"config/callables.env", "config/scheduled_prediction_configs.json"}
)
LARGEST_BYTES = 20 * 2**20


def import_workspace(root: Path, *, slug: str = "") -> Competition:
    """Create a DRAFT competition from a workspace's folder.

    `slug` names it otherwise than its spec. Raises ScaffoldError naming the file that
    is missing or wrong, and CompetitionError for callables that cannot be wired.
    """
    return lifecycle.create_competition(**definition_of(root, slug=slug))


def definition_of(root: Path, *, slug: str = "") -> dict[str, Any]:
    """Copy a workspace's code, and return what it says, for `draft_competition`."""
    spec = _spec(root)
    found = slug or spec["name"]
    places = _places(root, spec)
    pack = pack_of(
        root / SPEC_FILE,
        places["node"] / "config" / "scheduled_prediction_configs.json",
    )
    wired = _wired(places["node"] / "config" / "callables.env")
    name = f"{found.replace('-', '_')}_{_digest(places)}"
    _copy(places, settings.WORKSPACES_DIR / name)
    callables = {slot: _inside(path, name, places) for slot, path in wired.items()}
    has_contract = (places["node"] / CONTRACT_FILE).is_file()
    return {
        "slug": found,
        "name": spec.get("title") or "",
        "pack": Pack.model_validate(pack.model_dump() | {"callables": callables}),
        "config_path": f"{ROOT}.{name}.runtime_definitions.contracts:CONTRACT"
        if has_contract
        else "",
    }


def slug_of(root: Path) -> str:
    """Return the name that a workspace's spec gives it; raises ScaffoldError."""
    return _spec(root)["name"]


def _spec(root: Path) -> dict[str, str]:
    try:
        spec = json.loads((root / SPEC_FILE).read_text(encoding="utf-8"))
        return {"layout": spec.get("layout", "vendored"), **spec, "name": spec["name"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScaffoldError(
            f"{root / SPEC_FILE} cannot be used ({error!r}); give the folder of a "
            "workspace that `coordinator init` made."
        ) from None


def _places(root: Path, spec: dict[str, str]) -> dict[str, Path]:
    is_base = spec["layout"] == "base"
    names = (
        FOLDERS
        if is_base
        else (f"crunch-node-{spec['name']}", f"crunch-{spec['name']}")
    )
    places = dict(zip(FOLDERS, (root / name for name in names), strict=True))
    for place in places.values():
        if not place.is_dir():
            raise ScaffoldError(f"{place} is no folder; the workspace is not whole.")
    return places


def _wired(path: Path) -> dict[str, str]:
    """Return the callables of `callables.env`; the engine's for a slot it lacks."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ScaffoldError(f"{path} cannot be read: {error}.") from None
    wired = {slot: default_path(slot) for slot in SLOTS}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        slot, _, target = text.partition("=")
        if slot not in SLOTS or not target:
            raise ScaffoldError(f"{path}, line {number}: {text!r} is no SLOT=path.")
        wired[slot] = target
    return wired


def _inside(path: str, name: str, places: dict[str, Path]) -> str:
    """Return the path of a callable as it is imported from the copy."""
    top = path.partition(":")[0].partition(".")[0]
    is_own = any(
        (place / top).is_dir() or (place / f"{top}.py").is_file()
        for place in places.values()
    )
    return f"{ROOT}.{name}.{path}" if is_own else path


def code_files(place: Path) -> Iterator[Path]:
    """Yield the files of a package that are copied, sorted by path."""
    for path in sorted(place.rglob("*")):
        inner = path.relative_to(place)
        is_left_out = _LEFT_OUT & set(inner.parts) or path.name == ".local.env"
        if path.suffix in _SUFFIXES and not is_left_out and path.is_file():
            if not path.resolve().is_relative_to(place.resolve()):
                raise ScaffoldError(f"{path} leads out of the workspace.")
            yield path


def _digest(places: dict[str, Path]) -> str:
    digest, size = hashlib.sha256(), 0
    for folder, place in places.items():
        for path in code_files(place):
            if path.relative_to(place).as_posix() in _STORED_IN_ROWS:
                continue
            data = path.read_bytes()
            size += len(data)
            if size > LARGEST_BYTES:
                raise ScaffoldError(
                    f"{place} has more than {LARGEST_BYTES // 2**20} MiB of code."
                )
            inner = path.relative_to(place).as_posix()
            digest.update(f"{folder}/{inner}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()[:8]


def _copy(places: dict[str, Path], target: Path) -> None:
    if target.exists():  # the same code
        return
    draft = new_folder(target)
    try:
        for folder, place in places.items():
            for path in code_files(place):
                copy = draft / folder / path.relative_to(place)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
