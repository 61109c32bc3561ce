"""The commands `data list`, `data pull` and `data status`: market data of past days."""

import sys

import click

from . import config
from .command_line import say, show
from .days_asked import takes_days
from .problems import Problem

takes_subjects = click.option(
    "--subject", "subjects", multiple=True, help="Subject; the competition's without."
)
takes_cache = click.option("--cache", type=click.Path(), help="Folder of downloaded data.")


@click.group()
def data():
    """Market data of past days."""


@data.command("list")
@takes_days
@takes_subjects
@click.pass_context
def list_days(context, since, until, subjects):
    """List the days that the site has."""
    client = _days(context)
    rows = _of_subjects(subjects, lambda each: client.listing(each, since, until))
    show(context, rows, ["subject", "date", "records", "size_bytes"])


@data.command()
@takes_days
@takes_subjects
@click.option("--refresh", is_flag=True, help="Download what is there again.")
@takes_cache
@click.pass_context
def pull(context, since, until, subjects, refresh, cache):
    """Download days into the cache, verified."""
    client, is_terminal = _days(context, cache), sys.stderr.isatty()

    def progress(done, count, name):
        if is_terminal:
            click.echo("\r", nl=False, err=True)
            say(f"{done}/{count} {name}", nl=done == count, err=True)

    def files(subject):
        for path in client.pull(subject, since, until, refresh, progress):
            yield {"file": str(path)}

    show(context, _of_subjects(subjects, files), ["subject", "file"])


@data.command()
@takes_subjects
@takes_cache
@click.pass_context
def status(context, subjects, cache):
    """Show the cached days, and whether each file is whole."""
    rows = _of_subjects(subjects, _days(context, cache).status)
    show(context, rows, ["subject", "date", "records", "is_whole"])
    if not all(row["is_whole"] for row in rows):
        raise Problem("a file is broken; pull it again with --refresh.")


def _days(context, cache=None):
    from .day_files import BacktestClient

    return BacktestClient(url=context.obj["url"], cache=cache)


def _of_subjects(subjects, rows_of):
    """Return the rows of each subject, named by it."""
    return [
        {"subject": each, **row}
        for each in subjects or config.subjects()
        for row in rows_of(each)
    ]


COMMANDS = (data,)
