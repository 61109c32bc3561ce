"""Add a model from an uploaded file: a `main.py`, or a zip of its folder."""

import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from competitions.local_models import submission
from competitions.local_models.control import ControlError, without_path
from competitions.local_models.model_folders import add
from competitions.local_models.trees import DEEPEST_FOLDER, is_left_out, scratch_folder
from core.texts import brief

# Of the unpacked folder.
LARGEST_MODEL_BYTES = 200 * 2**20
MOST_FILES = 2_000
# What zipfile and its decompressors raise over damaged, encrypted or exotic files.
DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, OSError),
)


def add_upload(
    *,
    models_dir: Path,
    file: BinaryIO,
    file_name: str,
    model_id: str = "",
    cruncher: str = "",
) -> str:
    """Add a model from a `main.py` or a zip of its folder; returns its id.

    The id is the file's name by default. `cruncher` says whose it is, whatever its
    `model.json` says. Nothing is run or imported. Raises
    ControlError when it is neither, is no model, or would write outside of its folder.
    """
    with unpacked(file=file, file_name=file_name, cruncher=cruncher) as folder:
        return add(
            models_dir=models_dir,
            source=folder,
            model_id=model_id or Path(file_name).stem,
            called=brief(file_name),
        )


@contextmanager
def unpacked(*, file: BinaryIO, file_name: str, cruncher: str = "") -> Iterator[Path]:
    """Lay an upload out as a checked folder, for the length of a block.

    `cruncher` is written into its `model.json`. Raises ControlError as `add_upload`.
    """
    with scratch_folder("crunchsite-upload-") as scratch:
        folder = scratch / "model"
        folder.mkdir()
        if Path(file_name).suffix.lower() == ".py":
            with (folder / "main.py").open("wb") as target:
                shutil.copyfileobj(file, target)
        else:
            folder = _unpacked(file, folder)
        if cruncher:
            try:
                submission.assign(folder, cruncher)
            except OSError as error:
                raise ControlError(
                    f"model.json cannot be written: {without_path(error)}."
                ) from None
        yield folder


def _unpacked(file: BinaryIO, folder: Path) -> Path:
    """Unpack a zip below `folder`; returns the folder of its main.py."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            archive.extractall(folder)
    except ControlError:
        raise
    except DAMAGES as error:
        raise ControlError(
            f"file was no zip that can be unpacked ({without_path(error)}); "
            "give a main.py, or a zip of the model's folder."
        ) from None
    inner = [
        path
        for path in folder.iterdir()
        if path.name != "__MACOSX" and not is_left_out(path.name)
    ]
    if not (folder / "main.py").exists() and len(inner) == 1 and inner[0].is_dir():
        return inner[0]
    return folder


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    size = sum(entry.file_size for entry in entries)
    if size > LARGEST_MODEL_BYTES or len(entries) > MOST_FILES:
        raise ControlError(
            f"zip was {len(entries)} files of {size / 2**20:.0f} MiB in all; at most "
            f"{MOST_FILES} files of {LARGEST_MODEL_BYTES // 2**20} MiB are taken."
        )
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or not is_plain:
            raise ControlError(
                f"zip held {brief(entry.filename)}; only files and folders inside"
                f" the model's own folder are allowed."
            )
        if len(path.parts) > DEEPEST_FOLDER:
            raise ControlError(
                f"zip held {brief(entry.filename)}, which lies {len(path.parts)} "
                f"levels deep; at most {DEEPEST_FOLDER} are taken."
            )
