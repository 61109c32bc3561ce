"""Try level 2 of the sandbox: `python -m competitions.local_models.try_level_2 DIR`.

Exits with 0 if it works; otherwise its last line says why it does not.
"""

import os
import sys
from pathlib import Path

from competitions.local_models.keeper import keep_running
from competitions.local_models.sandbox import Bounds, Sandbox

if __name__ == "__main__":
    keep_running(
        lambda tell: tell(),
        sandbox=Sandbox(
            level=2,
            uid=0,
            bounds=Bounds(memory_mb=1024, tasks=64),
            readable=(),
            writable=Path(sys.argv[1]),
        ),
        parent=os.getppid(),
    )
