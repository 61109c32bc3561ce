"""`manage.py log_key create|show|rotate|replace-lost`: the key that signs the log."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.errors import OperatorError
from proofs import log_keys, rotation


class Command(BaseCommand):
    help = "Makes, shows and replaces the key that signs the site's log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make the first key")
        create.add_argument(
            "--origin",
            default="",
            help="name of the log for ever: its address without https://; default: "
            "the first of ALLOWED_HOSTS and /log",
        )
        create.add_argument(
            "--keep", action="store_true", help="leave one that exists, and succeed"
        )
        verbs.add_parser("show", help="print the public key (vkey)")
        for verb, about in (
            ("rotate", "replace the key; the old one vouches for the new"),
            ("replace-lost", "go on with a new key when the old one is lost"),
        ):
            command = verbs.add_parser(verb, help=about)
            command.add_argument("--reason", required=True, help="the log tells it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            signer = self._act(options)
        except OperatorError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(str(signer.key))

    def _act(self, options: dict[str, Any]) -> Any:
        match options["verb"]:
            case "create":
                if options["keep"] and log_keys.has_key():
                    return log_keys.signers()[0]
                return rotation.create(origin=options["origin"] or default_origin())
            case "rotate":
                return rotation.rotate(reason=options["reason"])
            case "replace-lost":
                return rotation.replace_lost(reason=options["reason"])
        return log_keys.signers()[0]


def default_origin() -> str:
    """Return the log's name for a site that was given none."""
    hosts = [host for host in settings.ALLOWED_HOSTS if "*" not in host]
    return f"{hosts[0].lstrip('.') if hosts else 'localhost'}/log"
