"""`coordinator import`: a workspace becomes a competition of this site."""

from pathlib import Path

import click
from django.db import transaction

from competitions.models import Competition
from competitions.scaffold.importing import import_workspace
from crunchsite.operator.actions import ACTIONS


@click.command("import")
@click.argument(
    "workspace", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--slug", default="", help="Its address here; default: its name.")
@click.option("--activate", is_flag=True, help="Let it run from the next slot on.")
@click.option("--keep", is_flag=True, help="Leave one that exists, and succeed.")
def command(*, workspace: Path, slug: str, activate: bool, keep: bool) -> None:
    """Make a competition of the folder WORKSPACE, with modules of its own."""
    root = workspace if (workspace / "spec.json").is_file() else workspace.parent
    if keep and Competition.objects.filter(slug=slug or root.resolve().name).exists():
        click.echo(f"{slug or root.resolve().name} exists, and stays as it is.")
        return
    with transaction.atomic():
        made = import_workspace(root, slug=slug)
        click.echo(f"{made} is a draft, made from {root}.")
        if activate:
            click.echo(ACTIONS["activate"].run(made))
