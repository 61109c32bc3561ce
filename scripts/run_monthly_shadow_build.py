"""`python scripts/run_monthly_shadow_build.py`: the monthly entry point by its name."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if __name__ == "__main__":
    from crunchsite.stack.command_line import run_command_line

    sys.exit(run_command_line(["manage.py", "run_monthly_shadow_build", *sys.argv[1:]]))
