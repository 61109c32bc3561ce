"""The process of one model during a check; started by `model_process`, not by hand.

It limits itself first and leaves the network, then loads the model, then answers calls
until its input ends.
"""

import ctypes
import json
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from . import model_wire
from .model_files import class_in, told
from .problems import InvalidInput

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def main():
    """Serve the model in `sys.argv[1]` over stdin and stdout."""
    path, limits = sys.argv[1], json.loads(sys.argv[2])
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What the model prints goes to the log; it cannot read what it is asked.
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    limit_itself(limits)
    served = Served(path)
    own = os.getpid()
    has_network = not cut_network()  # before the model's first line
    reply = {**served.set_up(), "has_network": has_network}
    while True:
        model_wire.send(answers, json.dumps({**reply, **_usage()}))
        call = model_wire.receive(calls)
        if call is None:
            return
        reply = served.call(call["method"], call["arguments"])
        if os.getpid() != own:  # a copy of this process came back out of the model
            os._exit(0)


class Served:
    """One model, loaded from its code; its failures have the site's codes."""

    def __init__(self, path):
        self._path, self._model = path, None

    def set_up(self):
        """Load the code and make the object; return the outcome as a reply."""
        try:
            model_class = class_in(Path(self._path))
        except InvalidInput as problem:
            return _failed("BAD_IMPLEMENTATION", str(problem))
        try:
            self._model = model_class()
        except BaseException as error:
            return _failed("SETUP_FAILED", _told("init", error))
        return {"code": "SUCCESS"}

    def call(self, name, arguments):
        """Call a method of the model; return its answer as a reply."""
        method = getattr(self._model, name, None)
        if not callable(method):
            kind = type(self._model).__name__
            return _failed("BAD_IMPLEMENTATION", f"{kind} has no method {name}")
        try:
            text = model_wire.sendable(method(*arguments))
        except model_wire.UnsendableError as error:
            return _failed("MODEL_FAILED", f"{name}: {error}")
        except BaseException as error:
            return _failed("MODEL_FAILED", _told(name, error))
        if len(text) > model_wire.LARGEST_MESSAGE // 2:
            return _failed("MODEL_FAILED", f"{name}: the answer has {len(text)} bytes")
        return {"code": "SUCCESS", "answer": text}


def limit_itself(limits):
    """Bound memory, files and processes, where the system has such limits."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits["disk_mb"] * 2**20,
        "RLIMIT_AS": limits["memory_mb"] * 2**20,
        "RLIMIT_NPROC": limits["tasks"] + _tasks_of_user(),
    }
    for name, value in wanted.items():
        # A limit that the system does not know, or a lower one that is there already.
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def cut_network():
    """Take the network from this process; return whether the system allows it."""
    unshare = getattr(ctypes.CDLL(None), "unshare", None) if os.name == "posix" else None
    return unshare is not None and (
        unshare(_NEW_NETWORK) == 0 or unshare(_NEW_USER | _NEW_NETWORK) == 0
    )


def _tasks_of_user():
    """Return how many processes and threads the user has; the limit is of all."""
    count, me = 0, os.getuid()
    with suppress(OSError):
        for entry in os.scandir("/proc"):
            with suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == me:
                    count += len(os.listdir(f"/proc/{entry.name}/task"))
    return count


def _usage():
    """Return the most memory so far, and how many processes the model has left."""
    found = {"peak_mb": None, "left_processes": 0}
    with suppress(ImportError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["peak_mb"] = peak / (2**20 if sys.platform == "darwin" else 2**10)
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            text = Path(f"/proc/self/task/{task}/children").read_text()
            found["left_processes"] += len(text.split())
    return found


def _told(method, error):
    traceback.print_exception(error)
    return told(method, error)


def _failed(code, text):
    return {"code": code, "text": text}


if __name__ == "__main__":
    main()
