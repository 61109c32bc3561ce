"""`manage.py create_competition SLUG --pack P`: a competition from a pack."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from competitions import lifecycle, packs
from competitions.models import Competition
from crunchsite.operator.actions import ACTIONS
from crunchsite.templatetags.figures import duration
from feeds.providers import sources


class Command(BaseCommand):
    help = "Create a competition from a pack, as a draft, or running with --activate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its address, like eth-hourly")
        parser.add_argument(
            "--pack",
            default=packs.DEFAULT,
            help=f"schedule, feed and callables: {', '.join(packs.names())}",
        )
        parser.add_argument("--name", default="", help="for people; default: the slug")
        parser.add_argument(
            "--config-path", default="", help="the contract, module:attribute"
        )
        parser.add_argument(
            "--subject",
            action="append",
            default=[],
            help="what is asked about, once for each; "
            "default: FEED_SUBJECTS, else the pack's",
        )
        parser.add_argument(
            "--source",
            default="",
            help=f"{', '.join(sources.names())}; default: FEED_SOURCE",
        )
        parser.add_argument(
            "--granularity", default="", help="like 1m; default: the pack's"
        )
        parser.add_argument(
            "--activate", action="store_true", help="let it run from the next slot on"
        )
        parser.add_argument(
            "--keep",
            action="store_true",
            help="leave one that exists as it is, and succeed",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        if options["keep"] and Competition.objects.filter(slug=slug).exists():
            self.stdout.write(f"{slug} exists, and stays as it is.")
            return
        made = lifecycle.create_competition(
            slug=slug,
            pack_name=options["pack"],
            name=options["name"],
            config_path=options["config_path"],
            feed_source=options["source"],
            feed_granularity=options["granularity"],
            subjects=options["subject"],
        )
        self.stdout.write(f"{made} is a draft, made from the pack {made.pack}.")
        for scheduled in made.scheduled_predictions.all():
            self.stdout.write(
                f"  {scheduled.scope_key}: "
                f"{scheduled.subject or 'the subject of the contract'}, "
                f"every {duration(scheduled.prediction_interval_s)}, "
                f"{duration(scheduled.resolve_horizon_s)} ahead"
            )
        if options["activate"]:
            self.stdout.write(ACTIONS["activate"].run(made))
