"""Turns what an operator can mend into one line and an exit code."""

import sys

from feeds.errors import OperatorError


class StackError(OperatorError):
    """Something in the surroundings is wrong; the message says what and the remedy."""

    code = "stack_error"


def run_command_line(argv: list[str]) -> int:
    """Run a management command; an expected failure prints one line and gives 1."""
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(argv)
    except (OperatorError, ImproperlyConfigured) as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201  a command's own voice
        return 1
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        print(  # noqa: T201
            f"Error: PostgreSQL did not answer ({reason}). "
            "Start it with `make up`, or correct DATABASE_URL.",
            file=sys.stderr,
        )
        return 1
    return 0
