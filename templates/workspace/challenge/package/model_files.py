"""Models in files: how they are found, loaded and started, and told from their code."""

import importlib.util
import inspect
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from .problems import InvalidInput
from .tracker import TrackerBase

LONGEST_REASON = 500
# A model that calls exit() ends its process on the site; here it has failed.
RAISED = (Exception, SystemExit)


class ModelFailure(Exception):
    """What a model in a process of its own has failed with; `code` is the site's."""

    def __init__(self, code, text):
        super().__init__(text[:LONGEST_REASON])
        self.code = code


def told(method, error):
    """Return an exception with the line of the model's own code."""
    if isinstance(error, ModelFailure):
        return str(error)
    place, frames = "", error.__traceback__
    while frames is not None:
        path = Path(frames.tb_frame.f_code.co_filename)
        if path.parent != Path(__file__).parent:
            place = f" ({path.name}:{frames.tb_lineno})"
        frames = frames.tb_next
    return f"{method}: {type(error).__name__}: {error}{place}"[:LONGEST_REASON]


def own(module, name):
    """Return a function of this package; None where the site keeps it to itself."""
    try:
        return getattr(import_module(f".{module}", __package__), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{module}":
            raise
        return None


def model_of(model):
    """Return a model object from an object, a class, or the path of its code.

    A path is a file, or a folder with `main.py`, with one class that derives from
    TrackerBase. Raises InvalidInput.
    """
    if isinstance(model, (str, Path)):
        model = class_in(Path(model))
    if not inspect.isclass(model):
        return model
    try:
        with redirect_stdout(sys.stderr):
            return model()
    except RAISED as error:
        raise InvalidInput(f"the model does not start: {told('init', error)}.") from None


def code_of(path):
    """Return the file with a model's class, of a file or a folder with main.py."""
    path = Path(path)
    file = path / "main.py" if path.is_dir() else path
    if not file.is_file():
        raise InvalidInput(f"{file} is not there; give a file, or a folder with main.py.")
    return file


def class_in(path):
    """Return the model's class in a file or folder; raises InvalidInput."""
    file = code_of(path)
    # A submission imports its base class as `tracker`, as on the site.
    sys.modules.setdefault("tracker", sys.modules[TrackerBase.__module__])
    spec = importlib.util.spec_from_file_location(f"submission_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    # It stays there: a model may import its other files when it is asked.
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except RAISED as error:
        raise InvalidInput(f"{file} cannot be loaded: {told('import', error)}.") from None
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, TrackerBase)
        and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise InvalidInput(f"{file} needs one class of TrackerBase; it has {names}.")
    return found[0]
