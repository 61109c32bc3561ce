"""Packs: folders from which competitions, and their workspaces, are made.

`pack.json` names the callables, schedule and feed. `workspace/`, which need not be
there, holds what a workspace of this pack has of its own: see `Pack.overlay`.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from competitions.contract import (
    CrunchConfig,
    ScheduledPredictionConfig,
    require_unique_keys,
)
from competitions.errors import PackError, ScheduleError
from competitions.scopes import subject_in
from competitions.slots import SLOTS
from core.misfits import told_to_author
from feeds import granularity

FOLDER = Path(__file__).parent
DEFAULT = "baseline"
WORDS_FILE = "_pack_rules.md"
LARGEST_BYTES = 1_000_000
CONTRACT_PATH = r"^$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class PackFeed(BaseModel):
    """Feed dimensions that a pack is made for; the site sets source and subjects."""

    model_config = ConfigDict(extra="forbid")
    kind: str = "candle"
    granularity: str = "1m"


class Cadence(BaseModel):
    """How often is scored, summed up and paid, where it is not as usual."""

    model_config = ConfigDict(extra="forbid")
    score_interval_seconds: int | None = Field(default=None, ge=1)
    snapshot_period_seconds: int | None = Field(default=None, ge=1)
    # Without a key to pay for, nobody is paid, whatever it says.
    emission_interval_seconds: int | None = Field(default=None, ge=1)


class Pack(BaseModel):
    """A complete pack; packs do not inherit from each other."""

    model_config = ConfigDict(extra="forbid")
    id: str
    description: str
    template_set: str = "default"
    feed: PackFeed = PackFeed()
    checkpoint_interval_seconds: int = Field(ge=1)
    cadence: Cadence = Cadence()
    # The contract that a competition has unless it is given another.
    contract: str = Field(default="", pattern=CONTRACT_PATH)
    callables: dict[str, str]
    scheduled_prediction_configs: list[ScheduledPredictionConfig] = Field(min_length=1)
    _folder: Path | None = PrivateAttr(default=None)

    @property
    def overlay(self) -> Path | None:
        """Return the folder of templates that replace those of `templates/workspace/`.

        Each has the path of the one that it replaces; further ones are added. None for
        a pack that has none.
        """
        found = self._folder and self._folder / "workspace"
        return found if found and found.is_dir() else None

    @model_validator(mode="after")
    def _all_ten_slots(self) -> "Pack":
        missing = SLOTS.keys() - self.callables.keys()
        unknown = self.callables.keys() - SLOTS.keys()
        if missing or unknown:
            wrong = [
                f"{word} {', '.join(sorted(names))}"
                for word, names in (("lack", missing), ("have unknown", unknown))
                if names
            ]
            raise ValueError(
                f"callables {' and '.join(wrong)}; a pack names each of the ten"
            )
        require_unique_keys(self.scheduled_prediction_configs)
        return self


def names() -> list[str]:
    return sorted(path.parent.name for path in FOLDER.glob("*/pack.json"))


@cache
def load(name: str) -> Pack:
    """Read and check a pack; raises PackError naming the pack and the cause."""
    if name not in names():
        raise PackError(
            f"pack was {name!r}; the packs are {', '.join(names())}. Give a folder of "
            f"your own by a path with a slash, like ./{name}."
        )
    return _read(FOLDER / name)


def words_of(name: str) -> str:
    """Return a pack's own words for the rules that participants read; or none."""
    if name not in names() or (overlay := load(name).overlay) is None:
        return ""
    file = overlay / "challenge" / WORDS_FILE
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def find(place: str) -> Pack:
    """Load a pack by its name, or by the path of a folder; raises PackError.

    A path has a slash in it, so that no folder can hide a pack of the site.
    """
    return _read(Path(place).resolve()) if "/" in place else load(place)


def _read(folder: Path) -> Pack:
    file = folder / "pack.json"
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(LARGEST_BYTES + 1)
    except (OSError, UnicodeError) as error:
        raise PackError(f"{file} cannot be read: {error}.") from None
    if len(text) > LARGEST_BYTES:
        raise PackError(f"{file} has more than {LARGEST_BYTES} characters.")
    pack = parse(folder.name, text)
    pack._folder = folder  # noqa: SLF001  its own class
    return pack


def parse(name: str, text: str) -> Pack:
    try:
        pack = Pack.model_validate_json(text)
    except ValidationError as error:
        raise PackError(f"pack {name!r} is invalid: {told_to_author(error)}.") from None
    if pack.id != name:
        raise PackError(f"pack {name!r} calls itself {pack.id!r}; the two must agree.")
    return pack


def schedule_of(
    pack: Pack, config: CrunchConfig, *, subjects: Sequence[str] = ()
) -> list[ScheduledPredictionConfig]:
    """Return the contract's schedule, else the pack's, repeated for each given subject.

    As it stands when none are given.

    A scope key that ends in its subject's coin, like `realtime-btc`, ends in the whole
    subject where that is another one: `realtime-ethusdt`.
    """
    configs = list(config.scheduled_predictions) or pack.scheduled_prediction_configs
    if not subjects:
        return configs
    return [
        _about(config, subject)
        for subject in dict.fromkeys(subjects)
        for config in configs
    ]


def _about(
    config: ScheduledPredictionConfig, subject: str
) -> ScheduledPredictionConfig:
    scope = config.scope_template
    own = subject_in(scope)
    if own == subject:
        return config
    stem, _, tail = config.scope_key.rpartition("-")
    is_named = stem and own.lower().startswith(tail.lower())
    return config.model_copy(
        update={
            "scope_key": f"{stem if is_named else config.scope_key}-{subject.lower()}",
            "scope_template": {
                **{key: value for key, value in scope.items() if key != "asset"},
                "subject": subject,
            },
        }
    )


def check_schedule(
    configs: list[ScheduledPredictionConfig], *, feed_granularity: str
) -> None:
    """Refuse a horizon that is too short for the feed; 0 resolves at once."""
    length_s = granularity.seconds(feed_granularity)
    for config in configs:
        horizon_s = config.schedule.resolve_horizon_seconds
        if 0 < horizon_s < length_s:
            raise ScheduleError(
                f"{config.scope_key}: the horizon was {horizon_s} s but the feed's "
                f"candles last {length_s} s; use a finer feed or a longer horizon."
            )
