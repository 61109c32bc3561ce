"""The command line: help on the project's commands, and one line for each error."""

import signal
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.core.management import (
    ManagementUtility,
    base,
    get_commands,
    load_command_class,
)
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import OperationalError

from core.collector import spare_what_is_loaded, stand_aside
from core.errors import OperatorError
from core.texts import readable

DJANGOS = ("django", "unfold", "rest_framework", "drf_spectacular", "axes")


class CommandRefusedError(OperatorError):
    """An error of a command whose text says everything."""

    code = "command_refused"


class OneLineParser(base.CommandParser):
    """Refuse arguments in one line, without listing Django's own options."""

    def error(self, message: str) -> NoReturn:
        if not self.called_from_command_line:
            super().error(message)
        command = Path(self.prog).name.removeprefix("manage.py ")
        _refuse(f"{message}; `{command} --help` explains the command.")
        sys.exit(2)


# A command and its sub-commands make parsers under this name.
base.CommandParser = OneLineParser  # type: ignore[misc]


class CommandLine(ManagementUtility):
    """Django's command line, with help on our commands and one form of error."""

    def main_help_text(self, commands_only: bool = False) -> str:
        if commands_only:
            return super().main_help_text(commands_only)
        lines = [
            f"  {name:<24} {load_command_class(app, name).help.split('. ')[0]}"
            for name, app in sorted(get_commands().items())
            if not app.startswith(DJANGOS)
        ]
        return "\n".join(
            [
                f"{self.prog_name} COMMAND --help explains a command:",
                "",
                *lines,
                "",
                f"{self.prog_name} help --commands lists Django's, too.",
            ]
        )

    def fetch_command(self, subcommand: str) -> BaseCommand:
        known = get_commands()
        if subcommand not in known:
            near = get_close_matches(subcommand, known, n=1)
            raise CommandRefusedError(
                f"there is no command {readable(subcommand)!r}; "
                + (f"do you mean {near[0]}? " if near else "")
                + "`help` lists them."
            )
        command = super().fetch_command(subcommand)
        execute = command.execute

        def refuse(*args: Any, **options: Any) -> Any:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            spare_what_is_loaded()
            try:
                return execute(*args, **options)
            except SystemCheckError:
                raise
            except CommandError as error:
                if options["traceback"]:
                    raise
                raise CommandRefusedError(str(error)) from None

        command.execute = refuse  # type: ignore[method-assign]
        return command


def run_command_line(argv: list[str]) -> int:
    """Run a management command; an expected failure prints one line and gives 1."""
    stand_aside()
    try:
        CommandLine(argv).execute()
    except (OperatorError, ImproperlyConfigured) as error:
        return _refuse(f"{error}")
    except OperationalError as error:
        return _refuse(silent_database(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201  a command's own voice
        return 130
    finally:
        spare_what_is_loaded()
    return 0


def silent_database(error: OperationalError) -> str:
    reason = str(error).strip().splitlines()[0]
    return (
        f"PostgreSQL did not answer ({reason}). Start it with `make up`, or correct "
        "DATABASE_URL. If the site runs with another VAR_DIR or WORKSPACE, set the "
        "same here."
    )


def _refuse(text: str) -> int:
    print(f"Error: {text}", file=sys.stderr)  # noqa: T201
    return 1
