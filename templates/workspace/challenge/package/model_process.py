"""A model in a process of its own, called over a wire as on the site."""

import json
import os
import queue
import signal
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from . import model_wire
from .model_files import ModelFailure

# As on the site, where all processes of a model share them.
LIMITS = {"memory_mb": 2048, "disk_mb": 50, "tasks": 256}
START_TIMEOUT_S = 60.0
# The site's log keeps so much, and a model that prints faster waits.
MOST_PRINTED = 5 * 2**20
LINES_KEPT = 20


class ModelProcess:
    """Starts a model's code and calls its methods over the wire.

    A call that fails raises ModelFailure with the site's code. After one without an
    answer, or the end of the process, no more calls are made.
    """

    def __init__(self, path, rules, timeout_s, limits=None):
        self._timeout_s, self._method = timeout_s, rules["method"]
        self.times_s, self.peak_mb, self.has_network = [], 0.0, None
        self.printed, self.newest_lines = 0, deque(maxlen=LINES_KEPT)
        self._left, self._failure = 0, None
        self._scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = self._start(Path(path).resolve(), limits or LIMITS)
        self._replies = queue.Queue()
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._read, self._log)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def set_up(self):
        """Wait until the model can answer; raises ModelFailure."""
        reply = self._reply("setup", START_TIMEOUT_S)
        self.has_network = reply["has_network"]
        if reply["code"] != "SUCCESS":
            raise self._ended(reply["code"], reply["text"])

    def call(self, method, arguments):
        """Return what a method answers; raises ModelFailure."""
        if self._failure:
            raise self._failure
        begun = time.perf_counter()
        with suppress(OSError):  # it has ended; the reply says so
            text = json.dumps({"method": method, "arguments": arguments})
            model_wire.send(self._process.stdin, text)
        reply = self._reply(method, self._timeout_s)
        if method == self._method:
            self.times_s.append(time.perf_counter() - begun)
        if reply["code"] != "SUCCESS":
            raise ModelFailure(reply["code"], reply["text"])
        if reply["left_processes"] > self._left:
            self._left = reply["left_processes"]
            raise ModelFailure("LEFT_PROCESSES", f"{method}: left processes behind")
        return json.loads(reply["answer"])

    def close(self):
        """End the process with all that it started."""
        with suppress(OSError):
            self._process.stdin.close()
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(5)  # it goes on where a process that was left holds its pipe
        self._scratch.cleanup()

    def _start(self, path, limits):
        # No variable of this shell: it may hold keys.
        environment = {
            **_library_places(),
            "PATH": os.defpath,
            "HOME": self._scratch.name,
            "TMPDIR": self._scratch.name,
            # One thread each, as numpy's would count as tasks and take memory.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        if "SYSTEMROOT" in os.environ:
            environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        module = f"{__package__}.model_child"
        return subprocess.Popen(
            [sys.executable, "-m", module, str(path), json.dumps(limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._scratch.name,
            env=environment,
            start_new_session=True,
        )

    def _reply(self, method, timeout_s):
        try:
            reply = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            raise self._ended("TIMEOUT", f"{method}: no answer in {timeout_s:g} s") from None
        if reply is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            ending = _ending(self._process.poll())
            said = self.newest_lines[-1] if self.newest_lines else "it printed nothing"
            text = f"{method}: its process ended while it was asked ({ending}): {said}"
            raise self._ended("DIED", text)
        self.peak_mb = max(self.peak_mb, reply["peak_mb"] or 0.0)
        return reply

    def _ended(self, code, text):
        self._failure = ModelFailure(code, text)
        return self._failure

    def _read(self):
        with self._process.stdout as answers:
            while (reply := model_wire.receive(answers)) is not None:
                self._replies.put(reply)
        self._replies.put(None)

    def _log(self):
        with self._process.stderr as printed:
            while data := printed.read1(65536):
                self.printed += len(data)
                lines = data[-65536:].decode("utf-8", "replace").splitlines()
                self.newest_lines.extend(line[:500] for line in lines if line.strip())


def _library_places():
    """Return variables with which the model finds the libraries that we find.

    Those of `pip install --user` lie in the home, which is another one for the model.
    """
    own = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    package = Path(__file__).parent.parent
    paths = [str(package), *map(os.path.abspath, own)]
    found = {"PYTHONPATH": os.pathsep.join(paths)}
    if site.ENABLE_USER_SITE:
        found["PYTHONUSERBASE"] = site.getuserbase()
    return found


def _ending(code):
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
