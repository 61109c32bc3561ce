"""`coordinator export`: a competition of this site as a workspace."""

from pathlib import Path

import click

from competitions.scaffold.exporting import export_workspace
from crunchsite.coordinator.chosen import competition_named
from crunchsite.coordinator.terminal import echo


@click.command("export")
@click.argument("slug")
@click.option("--output", type=Path, default=Path(), help="Where to put the workspace.")
@click.option("--name", default="", help="Its name; default: the competition's slug.")
@click.option("--layout", type=click.Choice(["vendored", "thin", "base"]))
@click.option("--force", is_flag=True, help="Replace a workspace of this name.")
def command(
    *, slug: str, output: Path, name: str, layout: str | None, force: bool
) -> None:
    """Write the competition SLUG as a workspace, as it is on this site now.

    Its import gives the same competition. Who is paid, keys, data and models stay here.
    """
    folder = export_workspace(
        competition_named(slug),
        output=output,
        name=name,
        layout=layout,
        is_forced=force,
    )
    echo(str(folder))
    if folder.name != slug:
        echo(
            f"Its code is that of the workspace {folder.name}. Import it with --slug "
            f"{slug}.",
            err=True,
        )
