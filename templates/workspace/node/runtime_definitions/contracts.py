"""The contract: types, metrics, windows and ranking of the competition."""

{% if contract.0 %}from {{ contract.0 }} import {{ contract.1 }} as PACKS_CONTRACT

# TODO: change what differs from the pack's, for example {"metrics": ("ic",)}.
CONTRACT = PACKS_CONTRACT{% if metrics is not None %}.model_copy(update={"metrics": {{ metrics|as_tuple }}}){% endif %}
{% else %}from competitions.contract import CrunchConfig

# TODO: change what differs, for example CrunchConfig(metrics=["ic", "hit_rate"]).
CONTRACT = CrunchConfig({% if metrics is not None %}metrics={{ metrics|as_literal }}{% endif %})
{% endif %}