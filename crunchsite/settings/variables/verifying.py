"""Variables of the commands that look at a running site from outside."""

from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import setting


class VerifyVariables(BaseSettings):
    """Which site `coordinator verify-e2e` and `check-models` look at, how patiently."""

    report_api_url: str = setting(
        "",
        "Address of the site that `coordinator verify-e2e`, `check-models` and "
        "`doctor` look at. Empty: this machine's, at PORT.",
    )
    e2e_verify_timeout_seconds: float = setting(
        240, "Seconds that `coordinator verify-e2e` waits for scores.", gt=0
    )
    e2e_verify_poll_seconds: float = setting(
        5, "Seconds between two looks of `coordinator verify-e2e`.", gt=0
    )
    check_models_timeout_seconds: float = setting(
        120, "Seconds that `coordinator check-models` waits for a model.", gt=0
    )
    check_models_poll_seconds: float = setting(
        3, "Seconds between two looks of `coordinator check-models`.", gt=0
    )
