"""`coordinator init`: a workspace from answers, a spec and a pack."""

import sys
from pathlib import Path
from typing import Any

import click

from competitions import packs
from competitions.scaffold import answers as answer_files
from competitions.scaffold.answers import Answers, lay_over, parse_answers, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.questions import ask_definition
from competitions.scaffold.render import Workspace
from crunchsite.coordinator.terminal import echo


@click.command("init")
@click.argument("name", required=False)
@click.option("--answers", "answers_file", type=Path, help="JSON or YAML with answers.")
@click.option("--spec", "spec_file", type=Path, help="The same; what it says wins.")
@click.option("--pack", help="Name of a pack, or a folder with a pack.json.")
@click.option("--list-packs", is_flag=True, help="Say which packs there are.")
@click.option("--layout", type=click.Choice(["vendored", "thin", "base"]))
@click.option("--output", type=Path, default=Path(), help="Where to put the workspace.")
@click.option("--force", is_flag=True, help="Replace a workspace of this name.")
@click.option("--dry-run", is_flag=True, help="Print the files; write nothing.")
def command(
    *,
    name: str | None,
    answers_file: Path | None,
    spec_file: Path | None,
    pack: str | None,
    list_packs: bool,
    layout: str | None,
    output: Path,
    force: bool,
    dry_run: bool,
) -> None:
    """Make a workspace NAME: a public package and a private node.

    Without answers, and with a terminal, each point of the definition is asked.
    """
    if list_packs:
        for each in packs.names():
            echo(f"- {each}: {packs.load(each).description}")
        return
    given: dict[str, Any] = {}
    if answers_file:
        given = answer_files.read_file(answers_file)
    if spec_file:
        given = lay_over(given, answer_files.read_file(spec_file, is_spec=True))
    if name and given.get("name", name) != name:
        raise ScaffoldError(f"name was {name!r}, but the file says {given['name']!r}.")
    options = {"name": name, "pack": pack, "layout": layout}
    given = lay_over(given, {key: value for key, value in options.items() if value})
    is_asked = not (answers_file or spec_file)
    workspace = Workspace(_complete(parse_answers(given), is_asked=is_asked))
    if dry_run:
        echo("\n".join(f"{workspace.names.slug}/{p}" for p in workspace.tree()))
        return
    folder = workspace.write(output, is_forced=force)
    echo(str(folder))
    if not workspace.answers.confirmed:
        echo(
            "The definition is the pack's proposal. Read spec.json. To change it, "
            "write what differs into an answers file and run init again; "
            '"confirmed": true in it ends this note, and nothing waits for it.',
            err=True,
        )


def _complete(answers: Answers, *, is_asked: bool) -> Answers:
    if is_asked and _is_terminal():
        return ask_definition(answers)
    return with_pack(answers, packs.find(answers.pack or packs.DEFAULT))


def _is_terminal() -> bool:
    return sys.stdin.isatty()
