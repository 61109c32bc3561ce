"""Operator pages of this app; Django finds them by this name."""

from competitions.admin import (
    kept_rules_admin,
    local_models,
    rounds,
    submitted_versions,
)

__all__ = ["kept_rules_admin", "local_models", "rounds", "submitted_versions"]
