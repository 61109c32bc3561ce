"""Ask at a terminal for each point of a definition, the name first."""

import click

from competitions import packs
from competitions.scaffold.answers import Answers, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.gate import POINTS
from competitions.scaffold.naming import names_of


def ask_definition(answers: Answers) -> Answers:
    """Return the answers with those that were given at the terminal.

    Each question shows the pack's default; Enter takes it. Raises click.Abort for
    Ctrl-C, before anything is written.
    """
    name = answers.name or click.prompt(
        "What should the competition be called? (like btc-trader)", value_proc=_slug
    )
    pack_name = answers.pack or click.prompt(
        "Which pack is it made from?\n"
        + "\n".join(f"  {n}: {packs.load(n).description}" for n in packs.names()),
        default=packs.DEFAULT,
    )
    found = with_pack(
        answers.model_copy(update={"name": name, "pack": pack_name}),
        packs.find(pack_name),
    )
    update: dict[str, object] = {"name": name}
    click.echo(f"\n{POINTS['model_interface'].question}")
    update["model_base_classname"] = click.prompt(
        "Base class, as module.Class", default=found.model_base_classname
    )
    for key in _PROPOSALS:
        click.echo(f"\n{POINTS[key].question}\n  {_proposal(key, found)}")
        if not click.confirm("  Begin with this?", default=True):
            click.echo("  Its stub is marked with TODO; change it after this.")
    click.echo(f"\n{POINTS['checkpoint_interval'].question}")
    update["checkpoint_interval_seconds"] = click.prompt(
        "Seconds", default=found.checkpoint_interval_seconds, type=click.IntRange(min=1)
    )
    update["checkpoint_interval_rationale"] = click.prompt(
        "Why so often?", default=found.checkpoint_interval_rationale
    )
    metrics = click.prompt(
        "\nWhich figures should the board compute? (names with commas, or none)",
        default=_OF_PACK,
    )
    if metrics != _OF_PACK:
        names = metrics.replace(" ", "").split(",")
        update["metrics"] = [name for name in names if name != "none"]
    update["confirmed"] = True
    return found.model_copy(update=update)


_OF_PACK = "the pack's"
_DEFINITIONS = "node/runtime_definitions"
_CONTRACT = f"{_DEFINITIONS}/contracts.py"
# What a point begins with, and the templates of a pack that begin it otherwise.
_PROPOSALS = {
    "inference_input": (
        "The newest closed candles of the subject, as they are.",
        (f"{_DEFINITIONS}/data.py", f"{_DEFINITIONS}/inference.py"),
    ),
    "inference_output": (
        'A dict with a finite number: {"value": 1.0}.',
        (f"{_DEFINITIONS}/validation.py", _CONTRACT),
    ),
    "scoring_function": (
        "Signal times return, in basis points; prices from the tape.",
        ("challenge/package/scoring.py", f"{_DEFINITIONS}/data.py"),
    ),
    "model_score": (
        "Means over 1, 3 and 7 days; ranked by the shortest.",
        (_CONTRACT,),
    ),
}


def _proposal(key: str, found: Answers) -> str:
    """Return how a point begins in a workspace of these answers."""
    text, files = _PROPOSALS[key]
    overlay = found.overlay
    is_own = found.contract and _CONTRACT in files
    if is_own or (overlay and any((overlay / file).is_file() for file in files)):
        return "As the pack has it; the rules that participants read say how."
    return text


def _slug(text: str) -> str:
    try:
        return names_of(text).slug
    except ScaffoldError as error:
        raise click.BadParameter(str(error)) from None
