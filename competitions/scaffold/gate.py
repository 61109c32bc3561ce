"""The six points that define a competition: what each asks, and which are undecided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from competitions.scaffold.answers import Answers


@dataclass(frozen=True)
class Point:
    """One point of the definition: a question for people, and where its answers are."""

    title: str
    question: str
    missing: Callable[[Answers], list[str]]


def _slots(*slots: str) -> Callable[[Answers], list[str]]:
    def missing(answers: Answers) -> list[str]:
        return [
            f"callables.{slot}" for slot in slots if not answers.callables.get(slot)
        ]

    return missing


def _fields(*names: str) -> Callable[[Answers], list[str]]:
    def missing(answers: Answers) -> list[str]:
        return [name for name in names if not getattr(answers, name)]

    return missing


POINTS: Mapping[str, Point] = {
    "model_interface": Point(
        "Model interface",
        "What must a participant's model implement, and within which limits?",
        _fields("model_base_classname"),
    ),
    "inference_input": Point(
        "Inference input",
        "Which raw data enter, and what is sent to the models?",
        _slots("RAW_INPUT_PROVIDER", "INFERENCE_INPUT_BUILDER"),
    ),
    "inference_output": Point(
        "Inference output",
        "What does predict() return, and which answers are refused?",
        _slots("INFERENCE_OUTPUT_VALIDATOR"),
    ),
    "scoring_function": Point(
        "Scoring function",
        "How is a prediction scored against the truth, and where is the truth from?",
        _slots("SCORING_FUNCTION", "GROUND_TRUTH_RESOLVER"),
    ),
    "model_score": Point(
        "Model score",
        "How do a model's scores become the figures that it is ranked by?",
        _slots("MODEL_SCORE_AGGREGATOR", "LEADERBOARD_RANKER"),
    ),
    "checkpoint_interval": Point(
        "Checkpoint interval",
        "How often are rounds scored, in seconds, and why so often?",
        _fields("checkpoint_interval_seconds", "checkpoint_interval_rationale"),
    ),
}


def undecided(answers: Answers) -> list[str]:
    """Return a line for each undecided point: its title and the answers that lack."""
    found = {point.title: point.missing(answers) for point in POINTS.values()}
    lines = [f"{title}: {', '.join(names)}" for title, names in found.items() if names]
    if not answers.scheduled_prediction_configs:
        lines.append("Schedule: scheduled_prediction_configs")
    return lines
