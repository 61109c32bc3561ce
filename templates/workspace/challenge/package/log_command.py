"""The command `model logs`: all that the key's own model printed on the site."""

import json
import time

import click

from .command_line import client_of, note, say

FOLLOW_S = 2.0


@click.command()
@click.argument("name")
@click.option("--follow", is_flag=True, help="Wait for more until Ctrl-C.")
@click.option(
    "--round", "of_round", type=click.IntRange(0), help="What it printed in a round."
)
@click.pass_context
def logs(context, name, follow, of_round):
    """Show what a model of yours printed on the site: the newest 10 MB.

    `--round ID` shows that part of it which it printed while it was asked in a round;
    `rounds` and `model failures NAME` have the ids.
    """
    if follow and of_round is not None:
        raise click.UsageError("--follow is for the whole log; leave out --round.")
    client, cursor, is_empty = client_of(context), None, True
    while True:
        part = client.model_log(name, cursor, of_round)
        cursor, is_empty = part["cursor"], is_empty and not part["text"]
        if context.obj["json"]:
            if part["text"]:
                say(json.dumps(part))
        else:
            say(part["text"], nl=False)
        if part["is_end"]:
            if not follow:
                if is_empty:
                    note(f"{name} has printed nothing yet.")
                return
            time.sleep(FOLLOW_S)
