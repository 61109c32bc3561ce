"""`manage.py key create|list|revoke`: keys with which programs use the API."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from competitions.enrolling import enrol
from competitions.models import Competition, Cruncher
from core import clock
from core.errors import OperatorError
from crunchsite.keys.issuing import KeyInvalidError, create_key, find_key, revoke_key
from crunchsite.keys.key_scopes import KeyScope
from crunchsite.keys.models import ApiKey


class Command(BaseCommand):
    help = "Makes, lists and revokes the keys with which programs use the API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser(
            "create", help="make a key; standard output is only the key, shown once"
        )
        create.add_argument("name", help="what uses it, for people")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=KeyScope.values,
            help="scope; repeat for several",
        )
        create.add_argument(
            "--competition",
            default="",
            help="slug of the competition that the key is bound to",
        )
        create.add_argument(
            "--cruncher", default="", help="id of the cruncher that the key is bound to"
        )
        create.add_argument(
            "--enrol",
            action="store_true",
            help="make the cruncher, if the competition has none of that id",
        )
        create.add_argument(
            "--days", type=int, help="days until it expires; default: never"
        )
        verbs.add_parser("list", help="show every key, without its secret")
        revoke = verbs.add_parser("revoke", help="end a key at once")
        revoke.add_argument("prefix", help="as `list` shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except OperatorError as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        competition = _competition(options["competition"])
        key, token = create_key(
            name=options["name"],
            scopes=options["scope"],
            competition=competition,
            cruncher=_cruncher(
                options["cruncher"], competition, may_enrol=options["enrol"]
            ),
            expires_at=_end(options["days"]),
        )
        self.stderr.write(f"{key} reaches {key.reach}. The key is not shown again:")
        self.stdout.write(token)

    def _list(self, options: dict[str, Any]) -> None:
        now = clock.now()
        for key in ApiKey.objects.select_related(
            "competition", "cruncher__competition"
        ):
            used = f"{key.last_used_at:%F %H:%M}" if key.last_used_at else "never"
            self.stdout.write(
                f"csk_{key.prefix}  {key.state_at(now):7}  used {used:16}  "
                f"{','.join(key.scopes)}  {key.reach}  {key.name}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        key = find_key(options["prefix"])
        if revoke_key(key_id=key.pk):
            self.stdout.write(f"{key} is revoked.")
        else:
            self.stdout.write(f"{key} was revoked before.")


def _competition(slug: str) -> Competition | None:
    found = Competition.objects.filter(slug=slug).first()
    if slug and found is None:
        raise KeyInvalidError(
            f"competition was {slug!r}; there is none with that name."
        )
    return found


def _cruncher(
    cruncher_id: str, competition: Competition | None, *, may_enrol: bool
) -> Cruncher | None:
    if not cruncher_id:
        return None
    if competition is None:
        raise KeyInvalidError("--cruncher needs --competition, in which it takes part.")
    if may_enrol:
        return enrol(competition=competition, cruncher_id=cruncher_id)
    found = Cruncher.objects.filter(competition=competition, cruncher_id=cruncher_id)
    if not found:
        raise KeyInvalidError(
            f"cruncher was {cruncher_id!r}; {competition.slug} has none of that id; "
            "--enrol makes it."
        )
    return found[0]


def _end(days: int | None) -> Any:
    if days is None:
        return None
    if not 1 <= days <= 36_500:
        raise KeyInvalidError(f"--days was {days}; give 1 to 36500.")
    return clock.now() + timedelta(days=days)
