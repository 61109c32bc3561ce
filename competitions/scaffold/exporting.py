"""Write a competition of this site as a workspace; importing that gives the same one.

What the site says now is written: schedules and cadence as operators left them, each
callable by its path, and the operator's own code. Who is paid, keys, data and models
stay here.
"""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings

from competitions.config_loader import contract_path
from competitions.models import Competition
from competitions.package_rules import RULES_FILE, rules_text
from competitions.packs import Cadence, PackFeed
from competitions.scaffold.answers import Answers
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.importing import CONTRACT_FILE, code_files
from competitions.scaffold.layouts import folders_of
from competitions.scaffold.render import Workspace
from competitions.site_rules import rules_on_site, schedules_of
from competitions.slots import Wiring, default_path
from competitions.wiring import wiring_of
from core.imports import is_within
from core.workspaces import FOLDERS, ROOT

_ENGINE = ("competitions", "core", "feeds", "scoring", "emissions", "crunchsite")
_LONGEST_RATIONALE = 500
# The rows of the site are in the schedule's file; a contract's own would win over it.
_ROWS_COUNT = '\nCONTRACT = CONTRACT.model_copy(update={"scheduled_predictions": ()})\n'


def export_workspace(
    competition: Competition,
    *,
    output: Path,
    name: str = "",
    layout: Any = None,
    is_forced: bool = False,
) -> Path:
    """Write `output/<name>` and return it; the name is the slug, if none is given.

    All of it or nothing. Raises ScaffoldError naming what keeps it from being written,
    and CompetitionError for code that does not load.
    """
    wiring = wiring_of(competition)
    contract = contract_path(competition.config_path)
    places = [contract, *wiring.paths.values()]
    name = name or _name_of_code(places) or competition.slug
    layout = layout or ("thin" if settings.IS_INSTALLED else "vendored")
    answers = _answers(competition, wiring, name=name, layout=layout)
    workspace = Workspace(answers)
    challenge, node = folders_of(workspace.layout, workspace.names)

    def add_code(folder: Path) -> None:
        """Put the site's code and rules in the place of those of the templates."""
        areas = dict(zip(FOLDERS, (folder / node, folder / challenge), strict=True))
        for source, target in _sources(competition, places):
            _copy(source, areas[target[0]] / target[1])
        _write_contract(areas["node"], contract, wiring)
        callables = {slot: _inside(path, slot) for slot, path in wiring.paths.items()}
        rules = areas["challenge"] / workspace.names.package / RULES_FILE
        if rules.is_file():
            rules.write_text(rules_text(rules_on_site(competition)), encoding="utf-8")
        lines = "".join(f"{slot}={path}\n" for slot, path in callables.items())
        (areas["node"] / "config/callables.env").write_text(lines, encoding="utf-8")

    return workspace.write(output, is_forced=is_forced, finish=add_code)


def _answers(
    competition: Competition, wiring: Wiring, *, name: str, layout: Any
) -> Answers:
    rationale = competition.interval_rationale or f"Pack {competition.pack}."
    return Answers(
        spec_version="1",
        name=name,
        title=competition.name,
        description=competition.name,
        crunch_id=competition.slug,
        pack=competition.pack,
        layout=layout,
        model_base_classname=settings.ENV.model_base_classname,
        checkpoint_interval_seconds=competition.checkpoint_interval_s,
        checkpoint_interval_rationale=rationale[:_LONGEST_RATIONALE],
        cadence=Cadence(
            score_interval_seconds=competition.score_interval_s,
            snapshot_period_seconds=competition.snapshot_period_s,
            emission_interval_seconds=competition.emission_interval_s or None,
        ),
        callables={slot: default_path(slot) for slot in wiring.paths},
        scheduled_prediction_configs=schedules_of(competition),
        feed=PackFeed(
            kind=competition.feed_kind, granularity=competition.feed_granularity
        ),
        confirmed=True,
    )


def _sources(
    competition: Competition, places: list[str]
) -> Iterator[tuple[Path, tuple[str, str]]]:
    """Yield each folder or file of own code, with its area and its place in there."""
    node = settings.WORKSPACE
    if node is not None and node.slug == competition.slug:
        yield node.node, ("node", "")
        yield node.challenge, ("challenge", "")
    if kept := _kept_code(places):
        for folder in FOLDERS:
            yield kept / folder, (folder, "")
    tops = {path.partition(":")[0].partition(".")[0] for path in places if path}
    for top in sorted(tops - {*_ENGINE, ROOT, "contract"}):
        if node is not None and top in node.packages:
            continue
        yield _place_of(top), ("node", _place_of(top).name)


def _place_of(top: str) -> Path:
    spec = find_spec(top)
    if spec is None:
        raise ScaffoldError(f"the code of {top} is not found on this machine.")
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(str(spec.origin))


def _kept_code(places: list[str]) -> Path | None:
    """Return the folder of imported code that callables come from, if any."""
    for path in places:
        if is_within(path.partition(":")[0], (ROOT,)):
            kept: Path = settings.WORKSPACES_DIR / path.split(".")[1]
            return kept
    return None


def _name_of_code(places: list[str]) -> str:
    """Return the name of the workspace that code was imported from; empty for none."""
    kept = _kept_code(places)
    found = sorted(kept.glob("challenge/crunch_*")) if kept else []
    return found[0].name.removeprefix("crunch_").replace("_", "-") if found else ""


def _copy(source: Path, target: Path) -> None:
    """Copy code, without what is written anew (config/) and what may hold keys."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    for path in code_files(source):
        inner = path.relative_to(source)
        if inner.parts[0] != "config" and path.suffix != ".env":
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / inner)


def _inside(path: str, slot: str) -> str:
    """Return a callable's path as it is in the workspace."""
    if path.startswith("contract:"):
        return default_path(slot)  # then the contract's own counts
    return _without_root(path)


def _without_root(path: str) -> str:
    return path.split(".", 2)[2] if path.startswith(f"{ROOT}.") else path


def _write_contract(node: Path, contract: str, wiring: Wiring) -> None:
    """Let CONTRACT of the node's own module be the competition's contract."""
    module, _, attribute = _without_root(contract).partition(":")
    file = node / CONTRACT_FILE
    own = ".".join(CONTRACT_FILE.with_suffix("").parts)
    if module == own and attribute == "CONTRACT":
        text = file.read_text(encoding="utf-8")
    elif module == own:
        text = f"{file.read_text(encoding='utf-8')}\nCONTRACT = {attribute}\n"
    elif module:
        text = f"from {module} import {attribute} as CONTRACT\n"
    else:
        text = (
            "from competitions.contract import CrunchConfig\n\n"
            "CONTRACT = CrunchConfig()\n"
        )
    if wiring.config.scheduled_predictions:
        text += "\nCONTRACT = CONTRACT() if isinstance(CONTRACT, type) else CONTRACT"
        text += _ROWS_COUNT
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
