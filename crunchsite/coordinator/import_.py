"""`coordinator import`: a workspace becomes a competition of this site."""

from pathlib import Path

import click
from django.conf import settings
from django.db import transaction

from competitions.drafting import draft_competition
from competitions.errors import CompetitionExistsError
from competitions.models import Competition
from competitions.scaffold.importing import definition_of, import_workspace, slug_of
from crunchsite.coordinator.terminal import echo
from crunchsite.operator.actions import ACTIONS
from crunchsite.operator.following import follow_files


@click.command("import")
@click.argument(
    "workspace", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--slug", default="", help="Its address here; default: its name.")
@click.option("--activate", is_flag=True, help="Let it run from the next slot on.")
@click.option(
    "--keep",
    is_flag=True,
    help="Keep one that exists; take what changed in the files alone.",
)
def command(*, workspace: Path, slug: str, activate: bool, keep: bool) -> None:
    """Make a competition of the folder WORKSPACE, with modules of its own."""
    root = workspace if (workspace / "spec.json").is_file() else workspace.parent
    if keep and Competition.objects.filter(slug=slug or slug_of(root)).exists():
        _keep(root, slug or slug_of(root))
        return
    try:
        with transaction.atomic():
            made = import_workspace(root, slug=slug)
            echo(f"{made} is a draft, made from {root}.")
            if activate:
                echo(ACTIONS["activate"].run(made))
    except CompetitionExistsError as error:
        raise CompetitionExistsError(
            f"{error} --keep takes what changed in the workspace since; --slug imports "
            "it beside the other."
        ) from None
    _say_next(made, is_running=activate)


def _keep(root: Path, slug: str) -> None:
    """Take what changed in the workspace since, where nobody has edited the site."""
    followed = follow_files(draft_competition(**definition_of(root, slug=slug)))
    lines = followed.lines()
    if not lines:
        echo(f"{slug} exists, and stays as it is.")
    for line in lines:
        echo(line)


def _say_next(made: Competition, *, is_running: bool) -> None:
    if not is_running:
        echo("Let it run: Activate on its page in the admin.", err=True)
    local = settings.ENV.local_models_competition
    if local != made.slug:
        echo(
            f"The local models of this site take part in {local}. For {made.slug}, "
            f"start the site with LOCAL_MODELS_COMPETITION={made.slug}, or connect an "
            "orchestrator of its own (MODEL_RUNNER_NODE_HOST).",
            err=True,
        )
