"""Limits of real time that a busy machine could pass are wide while tests run.

A test whose subject is such a limit sets a short one of its own.
"""

from competitions import report_schema, trial_process
from competitions.callables import guarded_calls
from scoring.scores import scorer
from scoring.truth import resolver

WIDE_S = 240.0


def widen() -> None:
    """Let operators' code take its time, in this process."""
    trial_process.PATIENCE_S = WIDE_S
    guarded_calls.PATIENCE_S = report_schema.PATIENCE_S = WIDE_S
    scorer.SCORER_PATIENCE_S = resolver.RESOLVER_PATIENCE_S = WIDE_S
