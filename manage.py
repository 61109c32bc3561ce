#!/usr/bin/env python
"""Django's command line, with crunchsite's own commands (`manage.py help`)."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault(  # noqa: TID251  Django itself is configured through it
        "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
    )
    from crunchsite.stack.errors import run_command_line

    sys.exit(run_command_line(sys.argv))
