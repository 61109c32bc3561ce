"""Variables of the site: secrets, access to the API, webhooks, log."""

import re
from typing import Annotated

from pydantic import field_validator
from pydantic_settings import BaseSettings

from core.texts import listed
from crunchsite.settings.variables.declaring import networks, one_of, setting


class WebVariables(BaseSettings):
    """Who may read and write over HTTP, and where the site may send to."""

    secret_key: str = setting(
        "", "Django's secret key. Empty: made once and kept under VAR_DIR."
    )
    allowed_hosts: str = setting("localhost,127.0.0.1", "Host names of the site.")
    security_contact: str = setting(
        "",
        "Where to report a vulnerability, mailto:... or https://..., for "
        "/.well-known/security.txt. Empty: there is none.",
    )
    api_read_auth: bool = setting(
        False,
        "Whether only operators and keys may read API, pages and downloads.",
    )
    api_key: str = setting(
        "",
        "One key that may do everything, for clients of older coordinators; it"
        " turns on the two "
        "lists below. Empty: none. Better: `manage.py key create`.",
        repr=False,
    )
    api_public_prefixes: str = setting(
        "/healthz,/info,/docs,/redoc,/openapi.json,/schema,/reports/schema,"
        "/reports/leaderboard,/reports/models,/reports/feeds,/reports/diversity,"
        "/reports/ensemble,/reports/checkpoints/rewards",
        "With API_KEY: prefixes of paths that anybody may read, comma separated.",
    )
    api_admin_prefixes: str = setting(
        "/reports/backfill,/reports/checkpoints/,/custom",
        "With API_KEY: prefixes of other paths that need a key or a session to be"
        " read. API_READ_AUTH decides about the rest.",
    )
    api_routes_dir: str = setting(
        "api", "Folder of your own endpoints: each .py file in it is one."
    )
    api_routes: str = setting(
        "", "More endpoints of your own, comma separated: module, or module:router."
    )
    api_rate_per_address: int = setting(
        600,
        "Requests a minute from one network address without a key, API and pages; 0: "
        "no limit.",
        ge=0,
        le=1_000_000,
    )
    api_rate_per_key: int = setting(
        1200, "Requests a minute with one key; 0: no limit.", ge=0, le=1_000_000
    )
    api_cors_origins: str = setting(
        "",
        "Origins whose pages may read the API in a browser, comma separated, like "
        "https://board.example.org; * is every one. Empty: none.",
    )
    metrics_open: bool = setting(
        False,
        "Whether anybody may read /metrics; otherwise it needs a read key or"
        " a session.",
    )
    event_retention_days: int = setting(
        30, "Days that events and their deliveries are kept.", ge=1
    )
    webhook_networks: str = setting(
        "",
        "Private networks that webhooks, heads for witnesses and requests for time "
        "stamps may go to, comma separated, like 10.1.0.0/16. "
        "Empty: public addresses alone.",
    )
    log_level: Annotated[str, one_of("DEBUG", "INFO", "WARNING", "ERROR")] = setting(
        "INFO", "Lowest level that is logged."
    )

    @field_validator("api_cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in listed(value):
            if origin != "*" and not re.fullmatch(r"https?://[^/?#\s@]+", origin):
                raise ValueError(
                    "give origins like https://board.example.org, without a path, or *"
                )
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)
        return value
