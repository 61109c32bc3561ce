"""A short competition, recorded whole: rounds in the log, witnesses, a paid period."""

from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace

from django.db import transaction

from competitions.contract import Aggregation, CrunchConfig
from competitions.gateway.types import ModelAnswer
from competitions.models import Competition, Prediction
from competitions.rounds.round_leaves import AskedRound, log_rounds
from competitions.rules_version import forget, log_rules
from competitions.wiring import wiring_of
from core import clock
from core.tlog.note import COSIGNATURE, Signer, parse_note
from core.tlog.witnessing import cosigned
from crunchsite.bundles.export_period import export_period
from emissions import ledger, transitions
from emissions.checkpoints import close_due
from proofs import rotation, sealing, witnesses
from proofs.models import LogCheckpoint
from scoring.cycle import run_cycle
from tests.conftest import NOW
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ORIGIN = "example.org/log"
WITNESS = Signer("wendy.example", bytes(range(32)), COSIGNATURE)
SCORER = "competitions/shared/score_rule.py"
NOBODY = SimpleNamespace(pk=None)
LATE = "predict: no answer in 5 s"


def frozen(instant):
    return clock.use(clock.Frozen(start=instant, anchor=instant))


def ask(competition, start, answers):
    """Ask a round: its answers and its entry in the log, which is signed."""
    with frozen(start):
        round_ = make_round(competition, start, answers)
        given = [
            ModelAnswer(
                each.model.model_id,
                each.outcome,
                each.output or None,
                reason=each.reason,
                code=each.code,
            )
            for each in Prediction.objects.filter(round=round_).select_related("model")
        ]
        asked = AskedRound(
            pk=round_.pk,
            scope_key=round_.scope_key,
            scope=round_.scope,
            slot_at=start,
            asked_at=start,
            resolvable_at=round_.resolvable_at,
            shown={},
            answers=given,
        )
        wiring = wiring_of(competition)
        with transaction.atomic():
            log_rounds(competition, [asked], rules=log_rules(competition, wiring))
        sealing.seal()


def cosign():
    head = LogCheckpoint.objects.first()
    text = cosigned(
        parse_note(head.note), WITNESS, signed_at_s=int(clock.now().timestamp())
    )
    witnesses.accept(text)


OTHER_SCORER = CrunchConfig(
    scoring_function=lambda prediction, ground_truth: {"value": 0.125}
)


BY_DRAWDOWN = CrunchConfig(
    aggregation=Aggregation(ranking_key="max_drawdown"), min_paid_coverage=0
)
TRADING = "competitions.packs.trading.trading_contract:CONTRACT"


def as_order(signal):
    side = "buy" if signal >= 0 else "sell"
    return {"action": side, "amount": abs(signal) * 1000, "value": signal * 1000}


def record(
    minutes=range(0, 110, 10),
    *,
    first_contract="",
    contract="",
    is_paid=True,
    rotated=(),
):
    """Return a checkpoint of two hours that was paid; needs a key of the log.

    Its key is replaced before the rounds that are asked at the minutes `rotated`.

    `first_contract` holds for the first round, `contract` for the others. Unless it
    `is_paid`, it was only submitted, and something was moved from the cruncher 100 to
    101.
    """
    forget()
    start = NOW - 2 * HOUR
    competition = make_competition(
        start, emission_interval_s=7200, config_path=first_contract or contract
    )
    witnesses.register(vkey=str(WITNESS.key), owner="Wendy")
    put_candles(start - 2 * MINUTE, [100.0 + i * i % 7 for i in range(130)])
    a, b, c, d = make_models(competition, *"abcd")
    for minute in minutes:
        asked_at = start + minute * MINUTE
        signals = {a: 0.5, b: -0.25 + minute / 100, c: 1.0 - minute / 7}
        answers = {**signals, d: 0.1}
        if contract == TRADING:
            answers = {model: as_order(signal) for model, signal in answers.items()}
        if minute == 20:
            answers[d] = LATE
        if minute in rotated:
            with frozen(asked_at):
                rotation.rotate(reason="once an hour")
        ask(competition, asked_at, answers)
        with frozen(asked_at + 10 * MINUTE / 60):
            cosign()
        with frozen(asked_at + 2 * MINUTE):
            run_cycle(competition_id=competition.pk)
        Competition.objects.update(config_path=contract)
        competition.refresh_from_db()
    with frozen(NOW + MINUTE):
        run_cycle(competition_id=competition.pk)
        [made] = close_due(now=NOW + MINUTE)
    with frozen(NOW + 2 * MINUTE):
        step = {"checkpoint_id": made.pk, "user": NOBODY}
        transitions.confirm(**step, tx_hash="0xbeef")
        if is_paid:
            transitions.advance(**step, to="CLAIMABLE")
            transitions.advance(**step, to="PAID")
        else:
            ledger.adjust(
                **step, from_index=100, to_index=101, amount=5, reason="a slip"
            )
        sealing.seal()
        cosign()
    return made


def bundle_of(checkpoint, *, of=None):
    out = BytesIO()
    export_period(checkpoint, out, of=of)
    return out.getvalue()
