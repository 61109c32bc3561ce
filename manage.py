#!/usr/bin/env python
"""Django's command line, with crunchsite's own commands (`manage.py help`)."""

import _signal  # type: ignore[import-not-found]  # signal takes 20 ms to import
import os
import sys


def leave(*_: object) -> None:
    """Ctrl-C while everything is imported: there is nothing to stop yet."""
    os.write(2, b"Stopped before anything was started.\n")
    os._exit(130)


if __name__ == "__main__":
    _signal.signal(_signal.SIGINT, leave)
    os.environ.setdefault(  # noqa: TID251  Django itself is configured through it
        "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
    )
    if sys.argv[1:2] == ["coordinator"]:  # some of its commands need no Django
        from crunchsite.coordinator.cli import main

        main(sys.argv[2:])
    from crunchsite.stack.command_line import run_command_line

    sys.exit(run_command_line(sys.argv))
