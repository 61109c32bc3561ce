"""What all commands share: exit codes, tables, JSON, and lists of the site's rows."""

import errno
import json
from functools import wraps

import click

from ._engine.texts import for_terminal
from .problems import InvalidInput, Problem

JSON = "--json"
LONGEST_S = 86_400.0


class Seconds(click.FloatRange):
    """So many seconds as a program can wait for: a day at most, and never NaN."""

    def __init__(self, least, **options):
        super().__init__(least, LONGEST_S, **options)

    def convert(self, value, param, context):
        found = super().convert(value, param, context)
        if found != found:  # lies in every range
            self.fail(f"{value} is no number of seconds.", param, context)
        return found


def say(text, err=False, nl=True):
    """Write a text, which may be a stranger's: it moves no cursor, sets no colour."""
    click.echo(for_terminal(str(text)), err=err, nl=nl)


class Commands(click.Group):
    """Turns problems into one line and their exit code; takes --json at any place.

    So with a file that cannot be read or written, a full disk, a home that is read-only.
    """

    def parse_args(self, context, arguments):
        if JSON in arguments:
            arguments = [JSON, *(each for each in arguments if each != JSON)]
        return super().parse_args(context, arguments)

    def invoke(self, context):
        try:
            return super().invoke(context)
        except Problem as found:
            problem = found
        except OSError as error:
            if error.errno in (None, errno.EPIPE):
                raise
            place = f"{error.filename}: " if error.filename else ""
            problem = InvalidInput(f"{place}{error.strerror}.")
        except (KeyboardInterrupt, click.Abort):  # Abort: at a question
            context.exit(130)
        if context.params.get("as_json") and not context.obj.get("is_told"):
            say(json.dumps({"error": str(problem), "code": problem.code}))
        say(f"Error: {problem}", err=True)
        context.exit(problem.exit_code)


def client_of(context):
    """Return a client of the site that the command line names."""
    from .client import Client

    return Client(url=context.obj["url"])


def tell(context, found, lines=None):
    """Write one thing: as JSON, else as these lines, else a line for each value."""
    if context.obj["json"]:
        _write_json(context, found)
        return
    for line in lines or (f"{name:<17}{_cell(value)}" for name, value in found.items()):
        say(line)


def show(context, rows, columns):
    """Write rows as JSON, else as a table of some columns."""
    rows = [dict(row) for row in rows]
    if context.obj["json"]:
        _write_json(context, rows)
        return
    lines = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (str(cell).ljust(width) for cell, width in zip(line, widths))
        say("  ".join(cells).rstrip())


def note(text):
    """Write what is no data: to stderr."""
    say(text, err=True)


def lists(columns, group=click):
    """Make a command of a function that gets a client and returns rows of the site.

    Its parameters are the function's own; it shows the newest `-n` rows.
    """

    def decorate(function):
        @click.option("-n", "count", default=20, show_default=True, help="Rows.")
        @click.pass_context
        @wraps(function)
        def command(context, count, **asked):
            show(context, function(client_of(context), **asked).first(count), columns)

        return group.command(function.__name__)(command)

    return decorate


def _write_json(context, found):
    """Write the one document of a command; a problem that follows adds none."""
    say(json.dumps(found, default=str))
    context.obj["is_told"] = True


def _cell(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None or value == "" else value
