"""Rounds of a bundle: instants, truth, and answers with nonces and scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from competitions.models import Prediction, Round
from core.clock import iso_z
from crunchsite.bundles.period_facts import Kind, PeriodFacts
from proofs.commitments import answer_text, nonces
from proofs.models import LogLeaf
from scoring.models import Score

PART = 200  # rounds, entries or heads that are in memory at once
Row = dict[str, Any]
_T = TypeVar("_T")


def bundled_rounds(facts: PeriodFacts, shown: set[str] | None) -> Iterator[Row]:
    """Yield the rounds of a period, by their ids; `shown` names the models to open.

    Three statements for each PART of rounds.
    """
    for part in in_parts(facts.rounds):
        rounds = Round.objects.in_bulk(part)
        leaves = {
            int(leaf.key): leaf
            for leaf in LogLeaf.objects.filter(kind=Kind.ROUND, key__in=map(str, part))
        }
        answers = _answers(facts, part)
        for pk in part:
            round_, leaf = rounds[pk], leaves.get(pk)
            yield {
                "round": pk,
                "index": leaf and leaf.index,
                "scope_key": round_.scope_key,
                "asked_at": round_.performed_at and iso_z(round_.performed_at),
                "resolvable_at": round_.resolvable_at and iso_z(round_.resolvable_at),
                "resolved_at": round_.resolved_at and iso_z(round_.resolved_at),
                "truth": round_.actuals,
                "provenance": round_.provenance,
                "answers": _opened(leaf, answers.get(pk, []), shown),
            }


def _answers(facts: PeriodFacts, part: Sequence[int]) -> dict[int, list[Any]]:
    """Return by round the answers of real models, by model id, with their scores."""
    predictions = (
        Prediction.objects.filter(round__in=part, model__is_virtual=False)
        .order_by()
        .values_list(
            *("pk", "round_id", "model__model_id", "outcome", "code", "reason"),
            *("output", "exec_time_us"),
        )
    )
    scores = {
        score["prediction_id"]: score
        for score in Score.objects.filter(
            prediction__round__in=part, scoring_version__lte=facts.scoring_version
        )
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=F("prediction"),
                order_by=F("scoring_version").desc(),
            )
        )
        .filter(place=1)
        .values("prediction_id", "value", "success", "failed_reason", "result")
    }
    found: dict[int, list[Any]] = {}
    for pk, round_, *answer in predictions:
        found.setdefault(round_, []).append((*answer, scores.get(pk)))
    return {pk: sorted(rows, key=lambda row: row[0]) for pk, rows in found.items()}


def _opened(
    leaf: LogLeaf | None, answers: Sequence[Any], shown: set[str] | None
) -> list[Row]:
    """Return the answers of a round with nonces and scores; of others the hashes."""
    models = [model for model, *_ in answers]
    of_each = nonces(bytes(leaf.seed or b""), models) if leaf else []
    hashes = leaf.hashes if leaf else []
    rows: list[Row] = []
    for place, (model, outcome, code, *said, took, score) in enumerate(answers):
        if shown is not None and model not in shown:
            rows.append({"hash": hashes[place].hex() if place < len(hashes) else None})
            continue
        reason, output = said
        text = answer_text(
            model=model,
            outcome=outcome,
            code=code,
            reason=reason,
            output=output,
            exec_time_us=took,
        )
        rows.append(
            {
                "model": model,
                "answer": text,
                "nonce": of_each[place].hex() if leaf else None,
                "score": score and _score(score),
            }
        )
    return rows


def _score(score: Mapping[str, Any]) -> Row:
    return {name: x for name, x in score.items() if name != "prediction_id"}


def in_parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield the items, PART at once."""
    every = list(items)
    for start in range(0, len(every), PART):
        yield every[start : start + PART]
