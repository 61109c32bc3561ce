"""The rules of a node as its files have them, and as the public package holds them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from competitions.contract import CrunchConfig, ScheduledPredictionConfig
from competitions.package_rules import (
    RULES_FILE,
    SNAPSHOT_PERIOD_S,
    public_rules,
    public_schemas,
    rules_text,
)
from competitions.packs import Cadence, PackFeed
from competitions.scaffold.answers import Answers
from core.files import write_file


def contract_in(text: str) -> CrunchConfig:
    """Return the contract that a workspace's module defines as CONTRACT.

    `text` is what a template of the engine or of a pack gave, which the node will run
    anyway.
    """
    names: dict[str, Any] = {}
    exec(compile(text, "contracts.py", "exec"), names)
    found = names["CONTRACT"]
    contract: CrunchConfig = found() if isinstance(found, type) else found
    return contract


def rules_of_answers(config: CrunchConfig, answers: Answers) -> dict[str, Any]:
    """Return the rules of a contract that a workspace's answers begin with."""
    cadence = answers.cadence or Cadence()
    cycle_s = answers.checkpoint_interval_seconds or 1
    return public_rules(
        config,
        feed=answers.feed or PackFeed(),
        schedule=answers.scheduled_prediction_configs or [],
        score_interval_s=cadence.score_interval_seconds or cycle_s,
        snapshot_period_s=cadence.snapshot_period_seconds or SNAPSHOT_PERIOD_S,
    )


def rules_in(
    contracts: Path, schedule: Path, answers: Answers
) -> tuple[CrunchConfig, dict[str, Any]]:
    """Return the contract of a node's files, and the rules with its schedule.

    The node's modules must be importable. Raises what its code raises, and ValueError
    for a schedule that is none.
    """
    config = contract_in(contracts.read_text(encoding="utf-8"))
    rows = json.loads(schedule.read_text(encoding="utf-8"))
    configs = [ScheduledPredictionConfig.model_validate(row) for row in rows]
    changed = answers.model_copy(update={"scheduled_prediction_configs": configs})
    return config, rules_of_answers(config, changed)


def write_rules(
    package: Path, config: CrunchConfig, rules: Mapping[str, Any]
) -> list[str]:
    """Write rules and schemas into a public package; return the parts that are new.

    A package without rules, of the layout thin, stays as it is.
    """
    place = package / RULES_FILE
    if not place.is_file():
        return []
    before = json.loads(place.read_text(encoding="utf-8"))
    changed = sorted(
        name
        for name in before.keys() | rules.keys()
        if before.get(name) != rules.get(name)
    )
    if changed:
        write_file(place, rules_text(rules))
        for name, text in public_schemas(config).items():
            write_file(package / "schemas" / name, text)
    return changed
