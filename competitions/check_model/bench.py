"""Where models are checked: an orchestrator over a folder of candidates."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from competitions.local_models import control, model_folders
from competitions.local_models.control import ControlError
from competitions.local_models.hidden_folders import CHECK
from competitions.local_models.launch import PROJECT, clean_environment
from competitions.local_models.trees import remove_tree, scratch_folder
from core import clock

# The orchestrator updates its heartbeat several times a second.
SILENCE_S = 10.0
# An orchestrator that ends with its parent, which is its first argument.
_WHILE_WE_LIVE = """
import os, signal, sys
from competitions.local_models import kernel
from competitions.local_models.__main__ import main
kernel.die_with_parent(signal.SIGTERM)
sys.exit(main() if os.getppid() == int(sys.argv.pop(1)) else 1)
"""


@dataclass(frozen=True)
class Bench:
    """An orchestrator that serves the folders in `models` at `socket`."""

    socket: Path
    models: Path
    logs: Path

    def is_up(self) -> bool:
        """Return whether its orchestrator works at present."""
        seen_at = control.seen_at(self.logs)
        if seen_at is None:
            return False
        return abs((clock.wall_now() - seen_at).total_seconds()) < SILENCE_S

    def clear(self) -> None:
        """End whatever runs here, and remove what it printed."""
        self.models.mkdir(parents=True, exist_ok=True)
        for left in self.models.iterdir():
            remove_tree(left)
        for log in self.logs.glob("*.log*"):
            log.unlink(missing_ok=True)

    @contextmanager
    def instances(self, path: Path, names: Sequence[str]) -> Iterator[None]:
        """Run copies of a model's folder under these names, for the length of a block.

        Nothing of an earlier check that was killed, and nothing of this one, remains.
        """
        self.clear()
        try:
            for name in names:
                model_folders.add(
                    models_dir=self.models, source=path, model_id=name, called=path.name
                )
            yield
        finally:
            for name in names:
                remove_tree(self.models / name)


@contextmanager
def own_bench(*, level: int) -> Iterator[Bench]:
    """Start an orchestrator for the length of a block; raises ControlError.

    It ends with this thread, also where the thread's process is killed.
    """
    with scratch_folder("check-model-") as folder:
        bench = Bench(folder / "orchestrator.sock", folder / "models", folder / "logs")
        bench.models.mkdir()
        output = folder / "orchestrator.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _WHILE_WE_LIVE, str(os.getpid())),
                    *("--models", bench.models, "--logs", bench.logs),
                    *("--socket", bench.socket),
                    *("--crunch-id", CHECK, "--level", str(level)),
                ],
                cwd=PROJECT,
                env=clean_environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            while not bench.socket.exists():
                if process.poll() is not None:
                    said = output.read_text().strip()
                    raise ControlError(said.removeprefix("Error: "))
                time.sleep(0.01)
            yield bench
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
