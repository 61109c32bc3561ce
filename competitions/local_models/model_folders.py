"""Put models' folders where the orchestrator finds them: add, replace, begin."""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from competitions.local_models import kernel, submission
from competitions.local_models.control import ControlError, without_path
from competitions.local_models.trees import is_left_out, plain_files, scratch_folder
from core.texts import brief, message_of

EXAMPLES = Path(__file__).resolve().parent / "examples"


def add(*, models_dir: Path, source: Path, model_id: str = "", called: str = "") -> str:
    """Copy a model's folder among the others, as a whole; return its id.

    The orchestrator starts it within a second. `called` is the name that errors use
    instead of the path, for a stranger who must not see paths. Raises ControlError when
    the folder is no model or the name is taken or cannot be an id.
    """
    model_id = model_id or source.resolve().name
    if not (source / "main.py").is_file():
        raise ControlError(f"model was {called or source}, which has no main.py.")
    require_id(model_id)
    target = models_dir / model_id
    taken = ControlError(f"model name was {model_id!r}, which is taken.")
    if target.exists():
        raise taken
    with _copied(models_dir, source, called) as copy:
        try:
            copy.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            raise taken from None  # by somebody else, while this was copied
    return model_id


def replace_model(*, models_dir: Path, source: Path, model_id: str) -> None:
    """Put a copy of a checked folder in a model's place, as a whole; or add it.

    The orchestrator replaces the process within a second. Doing it again does no harm,
    also after a process was killed in the middle: at each instant one of both models is
    in its place (see `_exchange`). Raises ControlError when the folder cannot be copied
    or moved; the model that was there stays then.
    """
    target = models_dir / model_id
    with _copied(models_dir, source, model_id) as copy:
        try:
            if target.exists():
                _exchange(copy, target)
            else:
                copy.rename(target)
        except OSError as error:
            raise ControlError(
                f"model was {model_id}, which cannot be put in its place:"
                f" {without_path(error)}."
            ) from None


def _exchange(copy: Path, target: Path) -> None:
    """Let a copy and the model that is there change places; raises OSError.

    Where the file system cannot do that at once, the place is empty for an instant.
    """
    try:
        kernel.exchange(copy, target)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        old = copy.with_name("old")
        target.rename(old)
        try:
            copy.rename(target)
        except OSError:
            old.rename(target)
            raise


def require_id(model_id: str) -> None:
    """Raise ControlError for a name that cannot be a model's id."""
    if not submission.is_model_id(model_id):
        raise ControlError(
            f"model name was {brief(model_id)}; use letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit."
        )


@contextmanager
def _copied(models_dir: Path, source: Path, called: str = "") -> Iterator[Path]:
    """Copy a model's folder beside the others, to be renamed in the block.

    Hidden files stay behind: what the hash of the code leaves out cannot run.
    """
    with scratch_folder(".adding-", parent=models_dir) as draft:
        copy = draft / "model"
        try:
            plain_files(source)
            shutil.copytree(
                source, copy, ignore=lambda _, names: set(filter(is_left_out, names))
            )
        except (OSError, RecursionError) as error:
            why = without_path(error) if called else message_of(error)
            raise ControlError(
                f"model was {called or source}, which cannot be copied: {why}."
            ) from None
        yield copy


def begin(models_dir: Path, sources: Mapping[str, str] | None = None) -> None:
    """Fill a folder that does not exist yet with models, as a whole.

    With those of `sources`, the text of `main.py` by model; without them, with the
    examples.
    """
    if models_dir.exists():
        return
    models_dir.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(".beginning-", parent=models_dir.parent) as draft:
        copy = draft / models_dir.name
        if sources:
            for name, text in sources.items():
                (copy / name).mkdir(parents=True)
                (copy / name / "main.py").write_text(text, encoding="utf-8")
        else:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(EXAMPLES, copy, ignore=ignored)
        copy.rename(models_dir)
