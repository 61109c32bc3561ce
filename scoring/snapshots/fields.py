"""List a contract's figures: of a score, of a snapshot, and of an answer."""

from competitions.contract import CrunchConfig, numeric_fields


def signal_field(config: CrunchConfig) -> str:
    """Return the output's number that is its signal: `value`, else the first number."""
    if "value" in config.output_type.model_fields:
        return "value"
    return next(iter(numeric_fields(config.output_type)), "value")


def score_fields(config: CrunchConfig) -> list[str]:
    """Return the numbers that the score type declares beside the value field."""
    names = numeric_fields(config.score_type)
    return [name for name in names if name != config.aggregation.value_field]


def summary_fields(config: CrunchConfig) -> list[str]:
    """Return the figures that a board shows of snapshots: value, numbers, metrics.

    The ranking's figure is among them; `aggregate_snapshot` may provide it.
    """
    aggregation = config.aggregation
    fields = [aggregation.value_field, *score_fields(config), *config.metrics]
    if aggregation.ranking_key not in {*aggregation.windows, *fields}:
        fields.append(aggregation.ranking_key)
    return fields
