"""`python -m crunchsite.settings.example` prints `.env.example`."""

import sys

from crunchsite.settings.env import Env


def example() -> str:
    """Render `.env.example`: each variable with its meaning and default."""
    lines = ["# Copy to .env and change what you need; every line is optional.", ""]
    for name, field in Env.model_fields.items():
        default = "" if field.default is None else field.default
        default = "false" if default is False else default
        lines += [f"# {field.description}", f"#{name.upper()}={default}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(example())
