"""Variables of competitions: pack, contract, callable slots, chain."""

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import setting


class ContractVariables(BaseSettings):
    """What a new competition begins with, and the callables it may name."""

    demo_pack: str = setting(
        "", "Pack of the demo competition. Empty: realtime, or baseline for a replay."
    )
    callable_packages: str = setting(
        "runtime_definitions",
        "Packages, comma separated, that contracts and callables may come from, beside "
        "the project's own.",
    )
    workspaces_dir: str = setting(
        "workspaces",
        "Folder of the code of imported workspaces, one sub-folder each.",
    )
    checkpoint_interval_seconds: int | None = setting(
        None,
        "Scoring interval of a new competition, in seconds. Empty: the pack's.",
        ge=1,
    )
    crunch_config_module: str = setting(
        "",
        "The contract, module:attribute. Empty: that of runtime_definitions, else the "
        "built-in one. CONTRACT_MODULE is another name of it.",
        validation_alias=AliasChoices("crunch_config_module", "contract_module"),
    )
    crunch_pubkey: str = setting("", "Public key of the crunch, for emissions.")
    network: str = setting("devnet", "Chain on which emissions are paid.")
    compute_provider_pubkey: str = setting("", "Wallet of the compute provider.")
    data_provider_pubkey: str = setting("", "Wallet of the data provider.")
    inference_input_builder: str = setting("", "Callable slot, module:callable.")
    inference_output_validator: str = setting("", "Callable slot, module:callable.")
    scoring_function: str = setting("", "Callable slot, module:callable.")
    model_score_aggregator: str = setting("", "Callable slot, module:callable.")
    report_schema_provider: str = setting("", "Callable slot, module:callable.")
    leaderboard_ranker: str = setting("", "Callable slot, module:callable.")
    raw_input_provider: str = setting("", "Callable slot, module:callable.")
    ground_truth_resolver: str = setting("", "Callable slot, module:callable.")
    prediction_scope_builder: str = setting("", "Callable slot, module:callable.")
    predict_call_builder: str = setting("", "Callable slot, module:callable.")
    predict_service_factory: str = setting(
        "",
        "Makes the service that asks the models, module:callable. Empty: the site's.",
    )
    score_service_factory: str = setting(
        "", "Makes the service that scores, module:callable. Empty: the site's."
    )
    report_app_factory: str = setting(
        "",
        "Makes the web application out of the site's, module:callable. "
        "Empty: the site's.",
    )
