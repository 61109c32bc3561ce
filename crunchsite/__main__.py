"""`python -m crunchsite X` is `manage.py X`, where the site is an installed package."""

import sys

from crunchsite.stack.command_line import run_command_line

if __name__ == "__main__":
    sys.exit(run_command_line(sys.argv))
