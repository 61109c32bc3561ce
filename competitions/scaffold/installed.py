"""Read a workspace as the pack that its competition is created from."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from competitions.contract import ScheduledPredictionConfig
from competitions.packs import Cadence, Pack, PackFeed
from competitions.scaffold.answers import parse_answers, read_file
from competitions.scaffold.errors import ScaffoldError
from competitions.slots import SLOTS, default_path
from core.misfits import told_to_author

_SCHEDULE = TypeAdapter(list[ScheduledPredictionConfig])
LARGEST_BYTES = 1_000_000


def pack_of(spec_file: Path, schedule_file: Path) -> Pack:
    """Return the pack that a workspace's spec and schedule describe.

    Its slots are the engine's own, so that the node's environment decides about each;
    its contract is the pack's where the node has no module for one of its own.
    Raises ScaffoldError naming the file and what is wrong with it.
    """
    answers = parse_answers(read_file(spec_file, is_spec=True))
    try:
        return Pack(
            id=answers.pack or "",
            description=answers.description or answers.name or "",
            feed=answers.feed or PackFeed(),
            cadence=answers.cadence or Cadence(),
            contract=(answers.contract or "") if answers.layout == "thin" else "",
            checkpoint_interval_seconds=answers.checkpoint_interval_seconds or 0,
            callables={slot: default_path(slot) for slot in SLOTS},
            scheduled_prediction_configs=read_schedule(schedule_file),
        )
    except ValidationError as error:
        raise ScaffoldError(f"{spec_file}: {told_to_author(error)}.") from None


def read_schedule(path: Path) -> list[ScheduledPredictionConfig]:
    """Return the questions of a JSON file, a list; raises ScaffoldError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES)
        return _SCHEDULE.validate_json(data)
    except OSError as error:
        raise ScaffoldError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        raise ScaffoldError(f"{path}: {told_to_author(error)}.") from None
