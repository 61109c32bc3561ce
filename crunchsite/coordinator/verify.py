"""`coordinator verify`: check a bundle offline, without a site."""

import json
from pathlib import Path

import click
import django

from core.tlog.errors import LogFormatError
from core.tlog.note import parse_vkey
from crunchsite.coordinator import exits
from crunchsite.coordinator.terminal import echo


@click.command("verify")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "keys", multiple=True, help="A vkey of the log or of a witness.")
@click.option(
    "--scorer",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file that scores, which is run; default: the engine's own.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def command(
    context: click.Context,
    *,
    bundle: Path,
    keys: tuple[str, ...],
    scorer: Path | None,
    as_json: bool,
) -> None:
    """Say what follows in BUNDLE, step by step; exit 1 if something does not.

    It needs no site, no database and no connection. Give the log's public key by --key,
    from a place that the site cannot change: else it is the one that the bundle names.
    """
    try:
        pinned = [parse_vkey(key) for key in keys]
    except LogFormatError as error:
        raise click.UsageError(f"--key: {error}") from None
    django.setup()  # the engine's own modules define tables, which are not read
    from crunchsite.bundles.verify_bundle import verify_bundle

    findings = verify_bundle(bundle, keys=pinned, scorer=scorer)
    if as_json:
        steps = [vars(step) for step in findings.steps.values()]
        echo(json.dumps(steps, indent=1))
    else:
        for line in findings.lines():
            echo(line)
    context.exit(exits.FAILED if findings.failed else exits.OK)
