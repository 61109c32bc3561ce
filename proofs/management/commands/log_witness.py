"""`manage.py log_witness add|list|retire|remove`: who cosigns the site's log."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import ProtectedError

from core.errors import OperatorError
from proofs import witnesses
from proofs.models import Witness


class Command(BaseCommand):
    help = "Adds, lists, retires and removes the witnesses that cosign the site's log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="let a witness cosign")
        add.add_argument("vkey", help="its public key, of kind 4")
        add.add_argument("--owner", required=True, help="who runs it")
        add.add_argument("--url", default="", help="where it takes heads, if it does")
        verbs.add_parser("list", help="show each with its newest cosignature")
        retire = verbs.add_parser(
            "retire", help="let one cosign no more; what it has cosigned stays"
        )
        retire.add_argument("vkey")
        remove = verbs.add_parser("remove", help="forget one that has cosigned nothing")
        remove.add_argument("vkey")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "add":
                added = self._done(
                    lambda: witnesses.register(
                        vkey=options["vkey"], owner=options["owner"], url=options["url"]
                    )
                )
                how = f"heads go to {added.url}" if added.url else "it comes by itself"
                self.stdout.write(f"{added} of {added.owner} may cosign; {how}.")
            case "list":
                for each in Witness.objects.all():
                    self.stdout.write(f"{each.vkey}  {each.owner}  {_state(each)}")
                self.stderr.write(str(witnesses.witnessed()))
            case "retire":
                retired = self._done(lambda: witnesses.retire(options["vkey"]))
                self.stdout.write(f"{retired} cosigns no more.")
            case "remove":
                self._remove(options["vkey"])

    def _done(self, act: Callable[[], Witness]) -> Witness:
        try:
            return act()
        except OperatorError as error:
            raise CommandError(str(error)) from None

    def _remove(self, vkey: str) -> None:
        try:
            count, _ = Witness.objects.filter(vkey=vkey).delete()
        except ProtectedError:
            raise CommandError(
                "it has cosigned heads, which readers rely on; retire it."
            ) from None
        if not count:
            raise CommandError("there is no witness with that vkey.")


def _state(witness: Witness) -> str:
    if witness.retired_at:
        return f"retired; cosigned up to {witness.size}"
    return witness.error or f"cosigned up to {witness.size}"
