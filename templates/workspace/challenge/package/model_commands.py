"""Commands for a model on this machine: init, check, backtest, version."""

import json

import click

from . import __version__
from .command_line import Seconds, note, tell
from .days_asked import takes_days
from .problems import Problem


@click.command()
@click.argument("folder", default="my-model", type=click.Path())
@click.option("--example", help="The example to begin with; the first without.")
@click.pass_context
def init(context, folder, example):
    """Make a new model's FOLDER from an example of the package."""
    from .model_folder import examples, new_model

    made = new_model(folder, example)
    note(f"made from one of {', '.join(examples())}; next: check {folder}")
    tell(context, {"file": str(made)})


@click.command()
@click.argument("path", type=click.Path(exists=True))
@takes_days
@click.option("--cache", type=click.Path(), help="Folder of downloaded data.")
@click.option("--offline", is_flag=True, help="Download nothing.")
@click.option("--save", "folder", type=click.Path(), help="Write the report here.")
@click.pass_context
def backtest(context, path, since, until, cache, offline, folder):
    """Play recorded data through the model in PATH, as the site would."""
    from .backtest import BacktestRunner
    from .day_files import BacktestClient

    data = BacktestClient(url=context.obj["url"], cache=cache)
    if not offline:
        _warn_of_old_rules(context)
    result = BacktestRunner(path, data=data, pull=not offline).run(since, until)
    if folder:
        for written in result.save(folder):
            note(f"wrote {written}")
    if context.obj["json"]:
        tell(context, result.as_dict())
    else:
        result.summary()
    if not result.scored:
        raise Problem("no round was scored; the reasons stand above.")


@click.command()
@click.argument("path", type=click.Path(exists=True))
@click.option(
    "-n",
    "rounds",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Rounds to ask.",
)
@click.option(
    "--timeout",
    type=Seconds(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds for an answer.",
)
@click.pass_context
def check(context, path, rounds, timeout):
    """Ask the model in PATH in a process of its own: errors, time, memory, repeatability."""
    from .checks import check_model, lines_of

    _warn_of_old_rules(context)
    found = check_model(path, rounds=rounds, limit_s=timeout)
    tell(context, found, lines_of(found))
    if found["problems"]:
        raise Problem("the model is not ready; its problems stand above.")


def _warn_of_old_rules(context):
    from .site_rules import warning_of_old_rules

    if line := warning_of_old_rules(context.obj["url"]):
        note(line)


@click.command()
@click.pass_context
def version(context):
    """Show the package's version and the digest of its rules."""
    from .backtest_result import DIGEST

    engine = json.loads(DIGEST.read_text("utf-8"))["digest"]
    tell(context, {"version": __version__, "engine": engine})


COMMANDS = (init, check, backtest, version)
