"""The options `--from` and `--to` of commands about past days."""

from datetime import datetime, timedelta, timezone

import click

from .problems import Problem


def takes_days(command):
    """Give a command `--from` and `--to`; without them, the week until today."""
    today = datetime.now(timezone.utc).date()
    since, until = (str(today - timedelta(days=days)) for days in (7, 0))
    for name, flag, usual, text in (
        ("until", "--to", until, "The end, which is not included: --to 2026-03-08 ends with March 7."),
        ("since", "--from", since, "The beginning, which is included."),
    ):
        command = click.option(
            flag,
            name,
            default=usual,
            show_default=True,
            callback=_instant,
            metavar="INSTANT",
            help=text,
        )(command)
    return command


def _instant(context, param, text):
    from .day_files import instant

    try:
        return instant(text)
    except Problem as problem:
        raise click.BadParameter(str(problem)) from None
