"""`manage.py tournament infer|score SLUG ROUND FILE`: a round from a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from competitions.errors import CompetitionError
from competitions.models import Competition, TournamentRound
from competitions.tournament.dataset import Dataset, read_dataset
from competitions.tournament.opening import fitting_each, open_round
from competitions.tournament.round_ends import give_truths
from competitions.wiring import wiring_of
from core.texts import counted


class Command(BaseCommand):
    help = "Open a tournament round with the samples of a file, or give it its truths."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["infer", "score"])
        parser.add_argument("slug", help="the competition")
        parser.add_argument("round_id", help="of your choice, new for each round")
        parser.add_argument(
            "file",
            type=Path,
            help="CSV or Parquet; a row is a sample, its columns truth.* are its truth",
        )
        parser.add_argument(
            "--scope", help="infer: a schedule's scope key; default: the first one's"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        competition = Competition.objects.filter(slug=slug).first()
        if competition is None:
            raise CommandError(
                f"competition was {slug!r}; there is none with that name."
            )
        act = self._infer if options["act"] == "infer" else self._score
        try:
            act(competition, options, read_dataset(options["file"]))
        except CompetitionError as error:
            raise CommandError(str(error)) from None

    def _infer(
        self, competition: Competition, options: dict[str, Any], rows: Dataset
    ) -> None:
        kind = wiring_of(competition).config.input_type
        name = options["file"].name
        round_ = open_round(
            competition=competition,
            round_id=options["round_id"],
            features=list(fitting_each(rows.features, kind, name, rows.place)),
            scope_key=options["scope"],
        )
        self.stdout.write(
            f"Round {round_} has {counted(round_.samples, 'sample')} and is "
            f"{round_.status}; the worker asks the models."
        )

    def _score(
        self, competition: Competition, options: dict[str, Any], rows: Dataset
    ) -> None:
        round_ = TournamentRound.objects.filter(
            competition=competition, round_id=options["round_id"]
        ).first()
        if round_ is None:
            raise CommandError(f"round {options['round_id']} was never opened.")
        kind = wiring_of(competition).config.ground_truth_type
        name = options["file"].name
        truths = list(fitting_each(rows.truths, kind, name, rows.place))
        give_truths(round_=round_, truths=truths)
        self.stdout.write(
            f"Round {round_} has its truths; the next scoring cycle scores it."
        )
