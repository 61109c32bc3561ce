"""A bundle follows, link by link, and each tampering is named by both verifiers."""

import json

import pytest

from competitions.contract import CrunchConfig
from competitions.rules_version import source_digest
from competitions.slots import wire
from core.tlog.note import parse_vkey
from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.payout_checks import _check_bound
from crunchsite.bundles.rule_checks import _check_shares
from crunchsite.bundles.scorers import SLOT, NamedScorer, _is_same
from crunchsite.bundles.verify_bundle import verify_bundle
from scoring.scores.scorer import NewScore
from tests.crunchsite.bundles.recorded import LATE, SCORER, WITNESS
from tests.crunchsite.bundles.reforging import facts_of, recounted, relogged
from tests.crunchsite.bundles.tampering import (
    NAMES,
    OTHER,
    TAMPERINGS,
    OpenBundle,
    changed_reason,
    changed_result,
)

pytestmark = pytest.mark.django_db  # where the bundle is recorded


@pytest.fixture
def found(tmp_path):
    """Verify a bundle's bytes."""

    def verify(data, **options):
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        return verify_bundle(path, **options)

    return verify


def test_all_of_a_bundle_follows(recorded, found):
    keys = [parse_vkey(recorded.key), WITNESS.key]
    whole = found(recorded.whole, keys=keys)
    assert whole.failed == []
    checked = {name: step.checked for name, step in whole.steps.items()}
    assert checked == {
        "heads": 13, "fork": 13, "entries": 57, "keys": 1, "rules": 2,
        "predictions": 122, "order": 11, "witnesses": 11, "truth": 33, "scores": 44,
        "snapshots": 28, "periods": 13, "emission": 5, "ranking": 24, "ledger": 16,
        "transaction": 2,
    }  # fmt: skip
    assert [name for name, step in whole.steps.items() if step.open] == [
        "truth",
        "snapshots",
        "ranking",
        "transaction",
    ]


def test_a_part_shows_the_others_as_hashes_and_follows(recorded, found):
    part = found(recorded.part)
    assert part.failed == []
    assert part.steps["scores"].checked == 11
    why = "of other crunchers the bundle has the hashes alone"
    assert why in part.steps["snapshots"].open
    rows = OpenBundle(recorded.part)["rounds"]
    assert [sorted(each) for each in rows[0]["answers"]] == [
        ["answer", "model", "nonce", "score"], *[["hash"]] * 3
    ]  # fmt: skip


def test_what_is_not_done_is_said(recorded, found):
    unpinned = found(recorded.whole)
    for step, whose in (("keys", "the log"), ("witnesses", "a witness")):
        assert unpinned.steps[step].open == [
            f"no --key of {whose} was given: they are those the bundle names"
        ]
    alone = OpenBundle(recorded.whole)
    alone["manifest"][0]["witnesses"] = []
    (why,) = found(alone.packed()).steps["witnesses"].open
    assert why.startswith("11 of 11 rounds were not cosigned before their truth")


def test_a_scorer_that_changed_within_the_period_is_said(recorded, found):
    verdict = found(recorded.changed)
    assert verdict.failed == []
    why = "of rounds that were asked while another scorer held"
    assert verdict.steps["scores"].open == [why]
    assert verdict.steps["scores"].checked == 8  # of two rounds of three


def test_what_accounts_gained_is_added_up(recorded, found):
    traded = found(recorded.traded)
    assert traded.failed == []
    bundle = OpenBundle(recorded.traded)
    ranking = bundle["checkpoint"][0]["meta"]["ranking"]
    gains = [
        row["content"]["result_summary"]["net_pnl"]
        for row in bundle["snapshots"]
        if row["content"]["model_id"] == ranking[0]["model_id"]
    ]
    assert len(gains) == 2
    assert 0 not in gains
    assert ranking[0]["ranking_value"] == pytest.approx(sum(gains), rel=1e-11)


def test_a_ranking_by_a_figure_of_all_rounds_is_left_open(recorded, found):
    ranked = found(recorded.by_drawdown)
    assert ranked.failed == []
    why = "max_drawdown of a period does not follow from its snapshots"
    assert why in ranked.steps["ranking"].open


def test_a_checkpoint_that_is_not_settled_to_its_end_is_said(recorded, found):
    why = "it is SUBMITTED: it is not settled to its end"
    assert why in found(recorded.changed).steps["transaction"].open


def test_a_changed_reason_or_result_is_named(recorded, found):
    moved, whole = OpenBundle(recorded.changed), OpenBundle(recorded.whole)
    changed_reason(moved)
    changed_result(whole)
    for bundle, step, words in (
        (moved, "ledger", "a reason or an instant differs"),
        (whole, "scores", "the score of a is"),
    ):
        findings = found(bundle.packed())
        assert findings.failed == [step]
        assert words in "\n".join(findings.steps[step].wrong)


def test_what_is_older_than_the_entries_of_the_ledger_is_said():
    """The log had no lines and instants of checkpoints at first."""
    findings = Verdict()
    paid = {"created_at": "2026-03-02T12:00:00Z", "submitted_at": None}
    _check_bound({"checkpoint": "CKP_1"}, [], paid, [], findings)
    assert (findings.failed, findings.steps["ledger"].checked) == ([], 0)
    assert findings.steps["ledger"].open


@pytest.mark.parametrize(
    ("told", "holds"),
    [("the truth has no return", True), ("it was raining", False), ("", False)],
)
def test_why_there_is_no_score_is_compared(told, holds):
    had = {"value": None, "success": False, "failed_reason": told, "result": {}}
    findings = scored_again(({}, had))
    assert findings.failed == ([] if holds else ["scores"])
    assert findings.steps["scores"].checked == 1


def scored_again(*rounds):
    """Score rounds of a truth and a score with the engine's scorer, and compare."""
    wiring = wire(CrunchConfig(), {})
    used = {"path": wiring.paths[SLOT], "source": source_digest(wiring[SLOT])}
    scorer = NamedScorer({"callables": {SLOT: used}, "config_path": ""}, None)
    said = {"model": "a", "outcome": "ANSWERED", "output": {"value": "#0.5"}}
    answer = {"model": "a", "answer": json.dumps(said)}
    findings = Verdict()
    scorer.check(
        [
            {"round": number, "truth": truth, "answers": [{**answer, "score": had}]}
            for number, (truth, had) in enumerate(rounds)
        ],
        findings,
    )
    return findings


def test_a_round_that_cannot_be_scored_hides_no_other():
    """Who forges scores may post a truth of any form."""
    had = {"value": 9.0, "success": True, "failed_reason": "", "result": {}}
    findings = scored_again(("no truth", had), ({"actual_return": 0.01}, had))
    assert findings.failed == ["scores"]
    step = findings.steps["scores"]
    assert (step.checked, step.open) == (
        1,
        ["of truths or answers that the contract does not take"],
    )


@pytest.mark.parametrize(
    ("told", "again", "is_same"),
    [
        ("KeyError: 'x'", "KeyError: x", True),
        ("KeyError: 'x'", "ValueError: x", False),
        ("no Error: here", "no Error: there", False),
    ],
)
def test_the_words_of_an_error_are_those_of_a_version(told, again, is_same):
    had = {"value": None, "success": False, "failed_reason": told, "result": {}}
    score = NewScore(value=None, success=False, failed_reason=again, result="{}")
    assert _is_same(had, score) is is_same


def test_texts_of_a_bundle_write_no_line_of_their_own(recorded, found):
    bundle = OpenBundle(recorded.whole)
    bundle["checkpoint"][0]["status"] = "\x1b[2J\nAll that was done follows."
    lines = list(found(bundle.packed()).lines())
    assert "All that was done follows." not in lines
    assert all(line.isprintable() for line in lines)


def test_the_scorer_of_a_file_is_run_if_the_rules_name_it(recorded, found, tmp_path):
    by_file = found(recorded.whole, scorer=recorded.root / SCORER)
    assert (by_file.failed, by_file.steps["scores"].checked) == ([], 44)
    other = tmp_path / "scoring.py"
    other.write_text("raise SystemExit('it was run')")
    refused = found(recorded.whole, scorer=other)
    assert refused.failed == ["scorer"]
    assert refused.steps["scores"].checked == 0


def test_another_pinned_key_is_another_log(recorded, found):
    other = found(recorded.whole, keys=[OTHER.key])
    assert {"heads", "keys", "order"} <= {*other.failed}


@pytest.mark.parametrize(("change", "step", "words"), TAMPERINGS, ids=NAMES)
def test_each_tampering_is_named(recorded, found, change, step, words):
    bundle = OpenBundle(recorded.whole)
    change(bundle, recorded.signer)
    findings = found(bundle.packed())
    assert step in findings.failed
    assert words in "\n".join(findings.steps[step].wrong)


def test_a_log_that_is_made_anew_follows(recorded, found):
    """So what is found in one with other facts is found by those alone."""
    bundle = OpenBundle(recorded.whole)
    recounted(bundle)
    relogged(bundle, facts_of(bundle), recorded.signer)
    assert found(bundle.packed(), keys=[recorded.signer.key]).failed == []


def test_what_the_rules_do_not_name_is_said():
    """Rules had no rule of shares at first; keys may be those of contract or site."""
    rules = {"crunch_pubkey": "", "compute_provider": "P", "data_provider": ""}
    rewards = [{"provider": "P", "reward_pct": 10**9}]
    emission = {"crunch": "C", "compute_provider_rewards": rewards}
    emission["data_provider_rewards"] = rewards
    paid = {"meta": {"rule": {"strategy": "tiers"}}, "emission": emission}
    findings = Verdict()
    _check_shares(paid, rules | {"callables": {}}, findings)
    step = findings.steps["emission"]
    assert (step.checked, step.failures, len(step.open)) == (1, 0, 3)


def test_places_by_the_last_digits_are_said(recorded, found):
    """Sums of another order may differ by as much: so may what was made up."""
    why = "places of figures that differ in their last digits alone"
    assert why not in found(recorded.whole).steps["ranking"].open
    bundle = OpenBundle(recorded.whole)
    first, second, *_ = bundle["checkpoint"][0]["meta"]["ranking"]
    second["ranking_value"] = first["ranking_value"] * (1 - 1e-12)
    assert why in found(bundle.packed()).steps["ranking"].open


def test_a_period_that_is_left_out_is_said(recorded, found):
    """The time in which nobody was asked has no period either."""
    said = found(recorded.whole).steps["periods"]
    assert not said.open
    bundle = OpenBundle(recorded.whole)
    facts = facts_of(bundle)
    facts[9]["period_start"] = "2026-03-02T10:30:00Z"
    for row in bundle["snapshots"][:4]:
        row["period_start"] = row["content"]["period_start"] = "2026-03-02T10:30:00Z"
    relogged(bundle, facts, recorded.signer)
    (why,) = found(bundle.packed()).steps["periods"].open
    assert why.startswith("they are 1:30:00 of the checkpoint's time")


def test_a_failed_answer_is_there_with_its_code_and_without_its_text(recorded):
    rows = OpenBundle(recorded.whole)["rounds"]
    said = [json.loads(each["answer"]) for row in rows for each in row["answers"]]
    assert [x["reason"] for x in said if x["outcome"] == "FAILED"] == ["EXCEPTION"]
    assert LATE not in json.dumps(rows)
