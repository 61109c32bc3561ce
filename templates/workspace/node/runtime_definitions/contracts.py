"""The contract: types, metrics, windows and ranking of the competition."""

from competitions.contract import CrunchConfig

# TODO: change what differs, for example CrunchConfig(metrics=["ic", "hit_rate"]).
CONTRACT = CrunchConfig({% if metrics is not None %}metrics={{ metrics|as_literal }}{% endif %})
