"""The commands of the package: `crunch-{{ slug }} --help`.

Data go to stdout, notes and progress to stderr. Exit codes: 0 good, 1 a check failed,
2 invalid input, 3 not allowed, 4 unreachable, 5 refused by state, 130 interrupted.
"""

import click

from . import __version__, data_commands, model_commands, site_commands, submit_commands
from .command_line import JSON, Commands
from .witness_command import command as witness


@click.group(cls=Commands)
@click.option(JSON, "as_json", is_flag=True, help="Write JSON to stdout.")
@click.option("--url", help="Address of the site, in place of the package's.")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def main(context, as_json, url):
    """Check, backtest, submit and watch models of {{ title }}."""
    context.obj = {"json": as_json, "url": url}


for module in (model_commands, data_commands, submit_commands, site_commands):
    for command in module.COMMANDS:
        main.add_command(command)
main.add_command(witness)


if __name__ == "__main__":
    main()
