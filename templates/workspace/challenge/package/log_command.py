"""The command `model logs`: all that the key's own model printed on the site."""

import json
import time

import click

from .command_line import client_of

FOLLOW_S = 2.0


@click.command()
@click.argument("name")
@click.option("--follow", is_flag=True, help="Wait for more until Ctrl-C.")
@click.pass_context
def logs(context, name, follow):
    """Show what a model of yours printed on the site: the newest 10 MB."""
    client, cursor = client_of(context), None
    while True:
        part = client.model_log(name, cursor)
        cursor = part["cursor"]
        if context.obj["json"]:
            if part["text"]:
                click.echo(json.dumps(part))
        else:
            click.echo(part["text"], nl=False)
        if part["is_end"]:
            if not follow:
                return
            time.sleep(FOLLOW_S)
