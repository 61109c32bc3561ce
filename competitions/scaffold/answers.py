"""Read answers and specs (JSON or YAML), and lay them over a pack's defaults."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from competitions import packs
from competitions.contract import ScheduledPredictionConfig
from competitions.packs import Cadence, Pack, PackFeed
from competitions.scaffold.errors import ScaffoldError
from competitions.slots import SLOTS
from core.imports import is_within
from core.misfits import told_to_author
from core.parsing import JsonError, parse_json

SPEC_VERSION = "1"
LARGEST_BYTES = 1_000_000

Layout = Literal["vendored", "thin", "base"]

_PATH = re.compile(r"^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)$", re.ASCII)
_DEFAULTS = "competitions.defaults"
_ENGINE = (
    *("core", "feeds", "proofs", "competitions", "scoring", "emissions", "livepool"),
    "crunchsite",
)


class Answers(BaseModel):
    """All that defines a competition; None where nobody has decided it.

    Points of the definition that come from a pack are proposals until `confirmed`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    spec_version: str | None = None
    name: str | None = None
    title: str | None = Field(default=None, max_length=120)
    description: str | None = Field(default=None, max_length=2000)
    crunch_id: str | None = Field(default=None, max_length=100)
    pack: str | None = None
    layout: Layout | None = None
    model_base_classname: str | None = Field(
        default=None, pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$"
    )
    checkpoint_interval_seconds: Annotated[int, Field(gt=0)] | None = None
    checkpoint_interval_rationale: str | None = Field(default=None, max_length=500)
    cadence: Cadence | None = None
    callables: dict[str, str | None] = {}
    scheduled_prediction_configs: list[ScheduledPredictionConfig] | None = None
    feed: PackFeed | None = None
    contract: str | None = Field(default=None, pattern=_PATH.pattern)
    metrics: list[str] | None = None
    ensembles: list[str] | None = None
    confirmed: bool | None = None
    _overlay: Path | None = PrivateAttr(default=None)

    @property
    def overlay(self) -> Path | None:
        """Return the pack's own templates; None without any.

        A pack of the site is found again by its name, one of a folder only by that.
        """
        if self._overlay is None and self.pack in packs.names():
            return packs.load(self.pack).overlay
        return self._overlay


def read_file(path: Path, *, is_spec: bool = False) -> dict[str, Any]:
    """Return the answers of a file, unchecked but for its form; raises ScaffoldError.

    `.json` is JSON, `.yml` and `.yaml` are YAML without anchors; an empty YAML file has
    no answers. A spec says `spec_version: "1"`; answers may.
    """
    if path.suffix not in {".json", ".yml", ".yaml"}:
        raise ScaffoldError(f"{path} is neither .json nor .yml nor .yaml.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ScaffoldError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        if path.suffix == ".json":
            found = parse_json(data, largest_bytes=LARGEST_BYTES)
        else:
            found = _yaml(data)
    except JsonError as error:
        raise ScaffoldError(f"{path} {error}.") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ScaffoldError(f"{path} holds no mapping of names to answers.")
    if found.get("spec_version", None if is_spec else SPEC_VERSION) != SPEC_VERSION:
        raise ScaffoldError(
            f"{path}: spec_version was {found.get('spec_version')!r}; "
            f'write "{SPEC_VERSION}".'
        )
    return found


def lay_over(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay mappings over each other: later values win, mappings within are merged."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            before = result.get(key)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                result[key] = lay_over(before, value)
            else:
                result[key] = value
    return result


def parse_answers(found: Mapping[str, Any]) -> Answers:
    """Return typed answers; raises ScaffoldError naming the first that does not do."""
    known = Answers.model_fields
    for key in found:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"they are {', '.join(known)}."
            )
            raise ScaffoldError(f"there is no answer {key!r}; {hint}")
    try:
        answers = Answers.model_validate_json(json.dumps(dict(found)))
    except (ValidationError, ValueError) as error:
        text = str(error)
        if isinstance(error, ValidationError):
            text = told_to_author(error)
        raise ScaffoldError(f"{text}.") from None
    _check_callables(answers.callables)
    return answers


def with_pack(answers: Answers, pack: Pack) -> Answers:
    """Return the answers, with the pack's proposals where nothing was said.

    What was answered with null stays undecided.
    """
    said = answers.model_fields_set
    proposals: dict[str, Any] = {
        "layout": "thin" if settings.IS_INSTALLED else "vendored",
        "crunch_id": answers.name,
        "description": pack.description,
        "model_base_classname": "tracker.TrackerBase",
        "checkpoint_interval_seconds": pack.checkpoint_interval_seconds,
        "checkpoint_interval_rationale": f"Pack {pack.id}: {pack.description}.",
        "scheduled_prediction_configs": list(pack.scheduled_prediction_configs),
        "feed": pack.feed,
        "contract": pack.contract or None,
    }
    update = {name: value for name, value in proposals.items() if name not in said}
    update["callables"] = {**pack.callables, **answers.callables}
    update |= {"pack": pack.id, "spec_version": SPEC_VERSION}
    found = answers.model_copy(update=update)
    found._overlay = pack.overlay  # noqa: SLF001  its own class
    return found


def _check_callables(callables: Mapping[str, str | None]) -> None:
    for slot, path in callables.items():
        if slot not in SLOTS:
            near = get_close_matches(slot, SLOTS, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"they are {', '.join(SLOTS)}."
            )
            raise ScaffoldError(f"there is no slot {slot!r}; {hint}")
        if path is None:
            continue
        found = _PATH.fullmatch(path)
        if not found:
            raise ScaffoldError(f"{slot} was {path!r}; write package.module:callable.")
        if is_within(found[1], _ENGINE) and found[1] != _DEFAULTS:
            raise ScaffoldError(
                f"{slot} was {path!r}, which is the engine's own; of the engine only "
                f"{_DEFAULTS} may be named."
            )


class _WithoutAliases(yaml.SafeLoader):
    """YAML without anchors, which can make a small file huge or endless."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise JsonError("has an alias (*), which is not taken")
        return super().compose_node(parent, index)


def _yaml(data: bytes) -> Any:
    if len(data) > LARGEST_BYTES:
        raise JsonError(f"has more than {LARGEST_BYTES} bytes")
    try:
        found = yaml.load(data, _WithoutAliases)
        return parse_json(json.dumps({} if found is None else found))
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, JsonError):
            raise
        problem = getattr(error, "problem", None) or str(error)
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise JsonError(f"is no YAML{where}: {problem}") from None
