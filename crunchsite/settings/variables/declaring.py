"""How a variable is declared: its description, its choices, its lists."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from pydantic import AfterValidator, Field

from core.texts import listed


def setting(default: Any, description: str, **constraints: Any) -> Any:
    """Declare a field whose description becomes its comment in `.env.example`."""
    return Field(default=default, description=description, **constraints)


def one_of(*choices: str) -> AfterValidator:
    """Accept one of `choices` in any case of letters; refuse others with the list."""

    def chosen(value: str) -> str:
        for choice in choices:
            if choice.lower() == value.strip().lower():
                return choice
        if not value:  # the default of a setting that need not be chosen
            return value
        raise ValueError(f"give one of {', '.join(choices)}")

    return AfterValidator(chosen)


def networks(names: str) -> list[IPv4Network | IPv6Network]:
    """Parse a comma separated list of networks; raises ValueError for a bad one."""
    return [ip_network(name) for name in listed(names)]
