"""The command that cosigns the site's log."""

import time
from pathlib import Path

import click

from . import config
from .command_line import Seconds, note, tell
from .problems import InvalidInput, Refused, Unreachable


def default_file():
    """Return where the package keeps its witness."""
    return Path.home() / ".config" / f"crunch-{config.NAME}" / "witness.json"


@click.command("witness")
@click.argument("site")
@click.argument("vkey")
@click.option("--state", help="Its file; default: in ~/.config.")
@click.option("--name", default="witness", show_default=True, help="Of a new key.")
@click.option("--every", type=Seconds(1), help="Seconds; default: once.")
@click.pass_context
def command(context, site, vkey, state, name, every):
    """Cosign the log of SITE, whose public key is VKEY, if it only grew.

    Give the operator the key that is printed first. Exits with 1 when the log was
    rewritten.
    """
    try:
        from .witness import Witness
    except ImportError:
        raise InvalidInput(
            "cryptography is not installed; install the package with [verify]."
        ) from None
    witness = Witness(state or default_file(), name)
    note(f"key {witness.vkey}")
    while True:
        try:
            size = witness.cosign(site, vkey)
            tell(context, {"size": size}, [f"cosigned {size}"])
        except (Unreachable, Refused) as problem:
            if every is None:
                raise
            note(f"{problem}")
        if every is None:
            return
        time.sleep(every)
