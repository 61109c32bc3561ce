"""A model's folder: made from an example, and packed for the site."""

import io
import os
import re
import zipfile
from pathlib import Path

from . import config
from .model_files import code_of
from .problems import InvalidInput

LARGEST_ZIP = 50 * 2**20
LARGEST_MODEL = 200 * 2**20
MOST_FILES = 2_000
# Alike in each zip, so that the same files are the same bytes.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
EXAMPLES = Path(__file__).parent / "examples"
SUFFIX = "_tracker.py"
# What the site's sandbox has in place of this package.
OWN_IMPORT = f"from {config.PACKAGE}.tracker import"
SITE_IMPORT = "from tracker import"
_PACKAGE = re.compile(rf"^\s*(?:from|import)\s+{config.PACKAGE}\b", re.MULTILINE)


def examples():
    """Return the examples' files by their names."""
    return {
        path.name.removesuffix(SUFFIX): path
        for path in sorted(EXAMPLES.glob(f"*{SUFFIX}"))
    }


def new_model(folder, example=None):
    """Make a folder with the main.py of an example, the first without a name.

    Raises InvalidInput for a folder that has one, and for an unknown example.
    """
    known = examples()
    name = example or next(iter(known))
    if name not in known:
        raise InvalidInput(
            f"the example was {name!r}; there are {', '.join(known)}."
        )
    main = Path(folder) / "main.py"
    text = known[name].read_text("utf-8").replace(OWN_IMPORT, SITE_IMPORT)
    try:
        main.parent.mkdir(parents=True, exist_ok=True)
        with open(main, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidInput(f"{main} is there already; nothing was changed.") from None
    except OSError as error:
        raise InvalidInput(f"{main} cannot be written: {error.strerror}.") from None
    return main


def packed(path):
    """Return a model's folder, or its one file, as a zip, and the names in it.

    Hidden files, caches and links stay out. Raises InvalidInput for what the site would
    refuse: no class, too large, unreadable, or this package imported.
    """
    main = code_of(path)
    if _PACKAGE.search(main.read_text("utf-8", errors="replace")):
        raise InvalidInput(
            f"{main} imports {config.PACKAGE}, which the site's sandbox does not have; "
            f"write `{SITE_IMPORT} TrackerBase`, and copy what else it needs beside it."
        )
    try:
        content, names = _zipped(Path(path), main)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path} cannot be packed: {why}.") from None
    if len(content) > LARGEST_ZIP:
        raise InvalidInput(
            f"{path} is {len(content) / 2**20:.0f} MiB as a zip; the site takes "
            f"{LARGEST_ZIP // 2**20} MiB."
        )
    return content, names


def _zipped(folder, main):
    files = dict(_files(folder)) if folder.is_dir() else {"main.py": main}
    size = sum(file.stat().st_size for file in files.values())
    if len(files) > MOST_FILES or size > LARGEST_MODEL:
        raise InvalidInput(
            f"{folder} has {len(files)} files of {size / 2**20:.0f} MiB; the site takes "
            f"{MOST_FILES} files of {LARGEST_MODEL // 2**20} MiB."
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return content.getvalue(), sorted(files)


def name_of(path):
    """Return the model's name that a path stands for."""
    path = Path(path).resolve()
    if path.is_dir():
        return path.name
    return path.parent.name if path.name == "main.py" else path.stem


def _files(folder):
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__pycache__"
        ]
        for name in names:
            file = Path(place) / name
            if not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file.relative_to(folder).as_posix(), file
