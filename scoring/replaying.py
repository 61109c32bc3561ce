"""Rebuild a round from what is stored, and compare it with what was stored then.

Input, scope, outputs, truth and scores are made again with the present code and the
present tape, by the functions that made them. Nothing is written.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from pydantic import ValidationError

from competitions.callables.guarded_calls import GuardedCalls, Outcomes
from competitions.errors import CompetitionError
from competitions.models import Competition, Prediction, Round
from competitions.rounds.build_question import (
    build_call,
    build_model_input,
    context_of,
)
from competitions.rounds.round_leaves import shown_digest
from competitions.rules_version import rules_version
from competitions.slots import Wiring
from competitions.tape_ends import Gaps
from competitions.wiring import wiring_of
from core import clock
from core.texts import describe
from core.tlog.exact import exact_digest
from core.tlog.merkle import root_of
from proofs.commitments import answer_text, commit
from proofs.models import LogLeaf
from scoring.models import Score
from scoring.scores.score_rounds import score_answers
from scoring.truth.resolve import resolve
from scoring.truth.resolver import Resolver


class NothingToReplayError(CompetitionError):
    """A round whose models were never asked."""

    code = "round_not_asked"
    status = 409


@dataclass(frozen=True)
class RoundPart:
    """One part of a round: as it was stored, and as it is made now."""

    name: str
    stored: Any
    rebuilt: Any

    @property
    def is_same(self) -> bool:
        return exact_digest(self.stored) == exact_digest(self.rebuilt)


@dataclass
class RebuiltRound:
    """A round's parts, and notes on what could not be compared, or explains a part."""

    round: Round
    parts: list[RoundPart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def stored(self) -> str:
        return exact_digest({part.name: part.stored for part in self.parts})

    @property
    def rebuilt(self) -> str:
        return exact_digest({part.name: part.rebuilt for part in self.parts})

    @property
    def is_same(self) -> bool:
        return self.stored == self.rebuilt


def replay(round_: Round) -> RebuiltRound:
    """Rebuild an asked round; raises NothingToReplayError for another one.

    A part that cannot be made again has the reason in place of its value. The log's
    entry of the round, if there is one, is compared with the rows as well.
    """
    if round_.performed_at is None:
        raise NothingToReplayError(
            f"{round_} was {round_.status}, and its models were not asked: "
            f"{round_.reason or 'its slot has just come'}."
        )
    competition = round_.competition
    wiring = wiring_of(competition)
    found = RebuiltRound(round_)
    with _writing_nothing():
        predictions = list(
            Prediction.objects.filter(round=round_)
            .select_related("model")
            .order_by("model__model_id")
        )
        if round_.tournament_id is None:
            _add_question(found, wiring)
        found.parts.append(_outputs(predictions, wiring))
        if round_.status == Round.Status.RESOLVED:
            _add_scores(found, competition, wiring)
        else:
            found.notes.append(
                f"it is {round_.status}: no truth and no scores are compared"
            )
        _add_log(found, predictions, wiring)
    return found


@contextmanager
def _writing_nothing() -> Iterator[None]:
    """Undo what the work writes: a replay is no failure of a callable."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _attempt(work: Callable[[], Any]) -> Any:
    """Return what the work makes, or why it makes nothing."""
    try:
        return work()
    except (CompetitionError, ValidationError, ValueError) as error:
        return {"cannot be made": describe(error)}


def _add_question(found: RebuiltRound, wiring: Wiring) -> None:
    round_ = found.round
    scheduled = round_.scheduled_prediction
    context, guarded = context_of(scheduled, wiring), GuardedCalls(round_.competition)

    def make_input() -> Any:
        return build_model_input(round_.raw_data, context, wiring, guarded)

    shown = round_.raw_data if round_.model_input is None else round_.model_input
    found.parts.append(RoundPart("input", shown, _attempt(make_input)))

    def make_scope() -> Any:
        scope_key, scope, _ = build_call(
            scheduled=scheduled,
            wiring=wiring,
            guarded=guarded,
            context=context,
            model_input=shown,
        )
        return {"scope_key": scope_key, "scope": scope}

    stored = {"scope_key": round_.scope_key, "scope": round_.scope}
    found.parts.append(RoundPart("call", stored, _attempt(make_scope)))


def _outputs(predictions: list[Prediction], wiring: Wiring) -> RoundPart:
    """Compare the answers with what the output type makes of them."""
    kind = wiring.config.output_type
    answered = {
        prediction.model.model_id: prediction.output
        for prediction in predictions
        if prediction.outcome == Prediction.Outcome.ANSWERED
    }

    def typed(output: Any) -> Any:
        return {**output, **kind.model_validate(output).model_dump(mode="json")}

    rebuilt = {
        model: _attempt(lambda output=output: typed(output))  # type: ignore[misc]
        for model, output in answered.items()
    }
    return RoundPart("outputs", answered, rebuilt)


def _add_scores(found: RebuiltRound, competition: Competition, wiring: Wiring) -> None:
    round_ = found.round
    resolver = Resolver(competition, Outcomes())
    (truth,) = resolve(
        competition=competition,
        wiring=wiring,
        rounds=[round_],
        now=clock.now(),
        gaps=Gaps.FINAL,
        resolver=resolver,
    ).truths
    why = truth.reason or "no truth is known"
    actuals = {"cannot be made": why} if truth.actuals is None else truth.actuals
    found.parts.append(RoundPart("truth", round_.actuals, actuals))
    stored = _stored_scores(round_)
    if truth.actuals is None:
        found.notes.append("without the truth the scores are made from the stored one")
    usable = round_.actuals if truth.actuals is None else truth.actuals
    made = _attempt(lambda: _new_scores(round_, wiring, usable, set(stored)))
    found.parts.append(RoundPart("scores", stored, made))


def _stored_scores(round_: Round) -> dict[str, Any]:
    rows = Score.objects.current().filter(
        prediction__round=round_, prediction__model__is_virtual=False
    )
    return {
        model: {"value": value, "failed": reason, "result": result}
        for model, value, reason, result in rows.values_list(
            "prediction__model__model_id", "value", "failed_reason", "result"
        )
    }


def _new_scores(
    round_: Round, wiring: Wiring, actuals: Any, scored: set[str]
) -> dict[str, Any]:
    truth = wiring.config.ground_truth_type.model_validate(actuals)
    names = dict(
        Prediction.objects.filter(round=round_, model__is_virtual=False).values_list(
            "pk", "model__model_id"
        )
    )
    with connection.cursor() as cursor:
        answers = score_answers(cursor=cursor, wiring=wiring, truths={round_.pk: truth})
    return {
        names[each.prediction]: {
            "value": each.score.value,
            "failed": each.score.failed_reason,
            "result": json.loads(each.score.result),
        }
        for each in answers
        if names.get(each.prediction) in scored
    }


def _add_log(
    found: RebuiltRound, predictions: list[Prediction], wiring: Wiring
) -> None:
    """Compare the rows with what the log committed to before the truth was known."""
    round_ = found.round
    leaf = LogLeaf.objects.filter(kind=LogLeaf.Kind.ROUND, key=str(round_.pk)).first()
    if leaf is None or leaf.seed is None:
        found.notes.append("the log has no entry of it")
        return
    entry = json.loads(bytes(leaf.entry))
    shown = round_.raw_data if round_.model_input is None else round_.model_input
    hashes = commit(
        bytes(leaf.seed),
        [(p.model.model_id, _logged_text(p)) for p in predictions],
    )
    stored = {"shown": entry["shown"], "root": entry["root"]}
    rows = {"shown": shown_digest(shown, round_.scope), "root": root_of(hashes).hex()}
    found.parts.append(RoundPart("log", stored, rows))
    if entry["rules"] != rules_version(round_.competition, wiring).digest:
        found.notes.append("the rules have changed since; see `coordinator rules list`")


def _logged_text(prediction: Prediction) -> str:
    return answer_text(
        model=prediction.model.model_id,
        outcome=prediction.outcome,
        code=prediction.code,
        reason=prediction.reason,
        output=prediction.output,
        exec_time_us=prediction.exec_time_us,
    )
