"""The commands of `coordinator`, and what all of them have in common.

Each command is a click command in a module of its own, which is imported when it is
called. Django's commands (`up`, `backfill`, `check-model`, ...) are called by their
names, so that there is one program for all.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from core.collector import spare_what_is_loaded, stand_aside
from core.errors import OperatorError
from crunchsite.coordinator import exits
from crunchsite.coordinator.terminal import echo

HELP = """From an idea to a live competition, and its operation.

\b
  coordinator init btc-trader --pack realtime
  cd btc-trader/crunch-node-btc-trader && make up

Data go to stdout, notes to stderr. Exit codes: 0 done, 1 a check failed, 2 wrong
usage or input, 3 not allowed, 4 unreachable or timed out, 5 refused by state,
130 interrupted.
"""

# Title of a section of the help: its commands, and what each does.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Begin": {
        "init": "Make a workspace: a public package and a private node.",
        "preflight": "Say which local ports are taken.",
        "upgrade": "Put this engine in the place of a node's.",
        "export": "Write a competition of this site as a workspace.",
        "import": "Make a competition of a workspace, on this site.",
    },
    "Verify": {
        "doctor": "Say what keeps a workspace or its site from working.",
        "check-models": "Wait until a model runs; name those that failed.",
        "export-period": "Write a closed period as a bundle for anybody to verify.",
        "verify": "Check such a bundle: what follows, and what does not.",
        "witness": "Cosign a site's log, if it only grew.",
        "verify-e2e": "Wait until a site scores, and check its board.",
    },
    "Watch": {
        "dev": "Start a node, verify it, and stay until Ctrl-C.",
        "logs": "Show what the parts of this machine's site wrote.",
        "logs-capture": "Write it to a file, as one JSON object a line.",
        "status": "Show each competition: slots, rounds, what waits or fails.",
        "replay": "Make a round again from what is stored, and compare.",
        "rules": "Compare versions of the rules, and the files with the site.",
    },
}
# The modules of commands whose name is a word of Python's, or another module's.
MODULES: Mapping[str, str] = {"import": "import_", "rules": "rules_shown"}
# The same for commands of Django's that operators use.
OPERATE: Mapping[str, str] = {
    "up": "Run everything on this machine.",
    "create-competition": "Create a competition from a pack.",
    "check-model": "Try a model in the sandbox, over the real wire.",
    "backfill": "Load the history of a feed.",
    "correct": "Score again or void a stretch of time.",
    "key": "Create, list and revoke API keys.",
    "log-key": "Make, show and replace the key of the log.",
    "log-witness": "Add, list, retire and remove witnesses of the log.",
}


# They need no site: neither its tables nor its secret, so they start at once.
_BARE = frozenset({"init", "preflight", "verify"})


class Commands(click.Group):
    """Commands by name; those of Django's are called with what follows, as it is."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.list_commands(ctx):
            name = MODULES.get(cmd_name, cmd_name.replace("-", "_"))
            _set_up(is_bare=name in _BARE)
            module = import_module(f"crunchsite.coordinator.{name}")
            spare_what_is_loaded()
            command: click.Command = module.command
            return command
        from django.core.management import get_commands

        _set_up()
        if cmd_name.replace("-", "_") in get_commands():
            return _django_command(cmd_name)
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, [*self.list_commands(ctx), *OPERATE], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        for title, commands in {**SECTIONS, "Operate": OPERATE}.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


def _set_up(*, is_bare: bool = False) -> None:
    """Let modules of the site be imported; its tables too, unless it is bare."""
    if not is_bare:
        import django

        django.setup()
    elif "django.conf" not in sys.modules:
        os.environ["DJANGO_SETTINGS_MODULE"] = (  # noqa: TID251  as manage.py does
            "crunchsite.settings.without_secrets"
        )


def _django_command(name: str) -> click.Command:
    @click.command(
        name,
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: Sequence[str]) -> None:
        from crunchsite.stack.command_line import CommandLine

        spare_what_is_loaded()
        try:
            CommandLine(["coordinator", name.replace("-", "_"), *arguments]).execute()
        except OperatorError as error:  # with the exit code that manage.py has
            raise click.ClickException(str(error)) from error

    return command


@click.command(cls=Commands, help=HELP, context_settings={"max_content_width": 88})
def coordinator() -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command of `coordinator` and leave with its exit code."""
    os.environ.setdefault(  # noqa: TID251  as manage.py does
        "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
    )
    stand_aside()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = coordinator.main(
            args=sys.argv[1:] if arguments is None else list(arguments),
            prog_name="coordinator",
            standalone_mode=False,
        )
    except click.exceptions.Abort:
        code = exits.INTERRUPTED
    except click.UsageError as error:
        error.show()  # the words are the caller's own
        code = error.exit_code
    except click.ClickException as error:
        echo(f"Error: {error.format_message()}", err=True)
        code = error.exit_code
    except OperatorError as error:
        echo(f"Error: {error}", err=True)
        code = exits.code_of(error)
    except Exception as error:
        from django.core.exceptions import ImproperlyConfigured
        from django.db import OperationalError

        from crunchsite.stack.command_line import silent_database

        if isinstance(error, ImproperlyConfigured):
            echo(f"Error: {error}", err=True)
            code = exits.INVALID
        elif isinstance(error, OperationalError):
            echo(f"Error: {silent_database(error)}", err=True)
            code = exits.UNREACHABLE
        else:
            raise
    finally:
        spare_what_is_loaded()
    sys.exit(code)
