"""`coordinator export-period`: a closed period as one file that anybody can verify."""

import sys
from pathlib import Path

import click

from core.errors import OperatorError
from core.files import replacing
from core.texts import counted
from crunchsite.bundles.export_period import export_period
from crunchsite.coordinator.chosen import competition_named
from crunchsite.coordinator.terminal import echo
from emissions.models import Checkpoint


class CheckpointUnknownError(OperatorError):
    """There is no such checkpoint in the competition."""

    code = "checkpoint_unknown"
    status = 404


@click.command("export-period")
@click.argument("slug", default="")
@click.option("--checkpoint", default="", help="Such as CKP_7; default: the newest.")
@click.option("--of", type=int, help="A cruncher's index: of others the hashes alone.")
@click.option("--output", type=Path, help="The file; default: SLUG-CKP_7.zip.")
def command(*, slug: str, checkpoint: str, of: int | None, output: Path | None) -> None:
    """Write a checkpoint's period of the competition SLUG as one bundle.

    It holds all that the payout follows from: `coordinator verify` checks it without a
    site, and so does one file that anybody can read (docs/integrator/bundle.md).
    """
    competition = competition_named(slug)
    known = competition.checkpoints.all()
    number = checkpoint.removeprefix("CKP_")
    if checkpoint and not (number.isascii() and number.isdigit() and len(number) < 19):
        raise click.UsageError(f"--checkpoint was {checkpoint!r}; give one like CKP_7.")
    found: Checkpoint | None = (
        known.filter(pk=int(number)) if checkpoint else known
    ).first()
    if found is None:
        raise CheckpointUnknownError(
            f"{competition.slug} has no checkpoint {checkpoint or 'yet'}."
        )
    file = output or Path(f"{competition.slug}-{found}.zip")
    with replacing(file) as draft, draft.open("wb") as out:
        facts = export_period(found, out, of=of)
    echo(str(file))
    sys.stderr.write(
        f"{found}: {counted(len(facts.rounds), 'round')}, the log's entries up to "
        f"{facts.end}. Verify it with `coordinator verify {file}`.\n"
    )
