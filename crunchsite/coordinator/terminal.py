"""Write to the terminal: the one place where a stranger's text could reach it."""

from typing import Any

import click

from core.texts import for_terminal


def echo(text: Any, *, err: bool = False, nl: bool = True) -> None:
    """Write a text, which may be a stranger's: it moves no cursor, sets no colour."""
    click.echo(for_terminal(str(text)), err=err, nl=nl)
