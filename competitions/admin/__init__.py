"""Operator pages of this app; Django finds them by this name."""

from competitions.admin import local_models, rounds, submitted_versions

__all__ = ["local_models", "rounds", "submitted_versions"]
