"""Score a bundle's answers again, with the scorer that the rules name by its digest.

A scorer is the engine's own, or a file that the caller gives; nothing that a bundle
names is imported from anywhere else.
"""

import hashlib
import json
import re
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from competitions.config_loader import load_config
from competitions.contract import CrunchConfig
from competitions.errors import CompetitionError
from competitions.rules_version import source_digest
from competitions.slots import Wiring, wire
from core.imports import NotImportable
from core.tlog.exact import exact_json, parse_exact
from crunchsite.bundles.findings import Verdict
from scoring.scores import batch
from scoring.scores.scorer import NewScore, score_all

SLOT = "SCORING_FUNCTION"
_RAISED = re.compile(r"[A-Z]\w*(?:Error|Exception)(?=:|$)")
ENGINE = "competitions."


class _AnyFields(BaseModel):
    """What a scorer of another package gets: all fields, as they were stored."""

    model_config = ConfigDict(extra="allow")


class NamedScorer:
    """The scorer that rules name, or why it cannot be called here."""

    def __init__(self, rules: Mapping[str, Any], file: Path | None) -> None:
        self._used = rules["callables"][SLOT]
        self._is_batch = "batch_scoring_function" in rules["callables"]
        self._wiring: Wiring | None = None
        self.why_not = ""
        self.wrong = ""
        if file is None:
            self._wiring = self._of_engine(rules)
        else:
            self._wiring = self._of_file(rules, file)

    def check(self, rounds: Sequence[Mapping[str, Any]], findings: Verdict) -> None:
        """Compare the scores of rounds with those that are made now."""
        if self.wrong:
            findings.check("scorer", False, self.wrong)
            self.wrong = ""
        if self._wiring is None:
            findings.leave("scores", self.why_not)
            return
        told = [
            (row, answer, json.loads(answer["answer"]))
            for row in rounds
            for answer in row["answers"]
            if "hash" not in answer
        ]
        for row, answer, said in told:
            if said["outcome"] != "ANSWERED":
                findings.check(
                    "scores",
                    answer["score"] is None,
                    f"round {row['round']}: {answer['model']} gave no answer and has a "
                    "score",
                )
        told = [each for each in told if each[2]["outcome"] == "ANSWERED"]
        self._compare(self._wiring, told, findings)

    def _compare(self, wiring: Wiring, told: Sequence[Any], findings: Verdict) -> None:
        """Compare the scores of answers; one that cannot be scored hides no other."""
        try:
            outputs = [json.dumps(_plain(said["output"])) for _, _, said in told]
            again = self._scores(wiring, told, outputs)
        except (ValidationError, ValueError, TypeError, KeyError):
            if len(told) == 1:
                findings.leave(
                    "scores", "of truths or answers that the contract does not take"
                )
                return
            for each in told:
                self._compare(wiring, [each], findings)
            return
        for (row, answer, _), score in zip(told, again, strict=True):
            had = answer["score"] or {}
            findings.check(
                "scores",
                _is_same(had, score),
                f"round {row['round']}: the score of {answer['model']} is "
                f"{had.get('value')} by {had.get('result')}{_why(had)}, and its answer "
                f"is worth {score.value} by {score.result}{_why(score._asdict())}",
            )

    def _scores(
        self, wiring: Wiring, told: Sequence[Any], outputs: Sequence[str]
    ) -> list[NewScore]:
        config = wiring.config
        truths = [
            config.ground_truth_type.model_validate(r["truth"]) for r, _, _ in told
        ]
        if config.batch_scoring_function is None:
            names = [(answer["model"], row["round"]) for row, answer, _ in told]
            return score_all(wiring=wiring, outputs=outputs, truths=truths, names=names)
        kind = config.output_type
        return batch.score_columns(
            scorer=config.batch_scoring_function,
            predictions=batch.columns_of(
                kind, [kind.model_validate_json(text) for text in outputs]
            ),
            truths=batch.columns_of(config.ground_truth_type, truths),
            value_field=config.aggregation.value_field,
        )

    def _of_engine(self, rules: Mapping[str, Any]) -> Wiring | None:
        """Return the engine's wiring, if it has the scorer; else note why not."""
        path, place = self._used["path"], rules["config_path"]
        digest = self._used["source"]
        self.why_not = (
            f"the scorer {path} is not of this engine; give its file, of the SHA-256 "
            f"{digest}, by --scorer"
        )
        is_ours = path.startswith((ENGINE, "contract:")) and (
            not place or place.startswith(ENGINE)
        )
        if not is_ours:
            return None
        try:
            config = load_config(place) if place else CrunchConfig()
            found = wire(config, {})
        except (CompetitionError, NotImportable) as error:
            self.why_not = f"the contract {place} cannot be loaded: {error}"
            return None
        if found.paths[SLOT] != path or source_digest(found[SLOT]) != digest:
            self.why_not = (
                f"this engine has another version of {path} than that of the SHA-256 "
                f"{digest}; give the file by --scorer"
            )
            return None
        return found

    def _of_file(self, rules: Mapping[str, Any], file: Path) -> Wiring | None:
        digest, path = self._used["source"], self._used["path"]
        if self._is_batch:
            self.why_not = "a scorer of arrays is not read from a file"
            return None
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            self.wrong = f"{file} is not the file of the SHA-256 {digest}"
            self.why_not = "its file is another one"
            return None
        if path.startswith("contract:"):
            path = rules["callables"]["scoring_function"]["path"]
        scorer: Callable[..., Any] | None = runpy.run_path(str(file)).get(
            path.partition(":")[2]
        )
        if scorer is None:
            self.why_not = f"{file} has no {path.partition(':')[2]}"
            return None
        config = CrunchConfig()
        if not rules["contract"]["path"].startswith(ENGINE):
            config = config.model_copy(
                update=dict.fromkeys(
                    ("output_type", "ground_truth_type", "score_type"), _AnyFields
                )
            )
        found = wire(config, {})
        return replace(found, callables={**found.callables, SLOT: scorer})


def _is_same(had: Mapping[str, Any], score: NewScore) -> bool:
    return (
        (had.get("success"), had.get("value")) == (score.success, score.value)
        and exact_json(had.get("result")) == exact_json(json.loads(score.result))
        and _reason(had["failed_reason"]) == _reason(score.failed_reason)
    )


def _reason(text: str) -> str:
    """Return why there is no score; of what Python raised, the kind alone.

    The words of an error are another version's other ones.
    """
    raised = _RAISED.match(text)
    return raised[0] if raised else text


def _why(score: Mapping[str, Any]) -> str:
    reason = score.get("failed_reason")
    return f" ({reason})" if reason else ""


def _plain(value: Any) -> Any:
    return parse_exact(json.dumps(value))
