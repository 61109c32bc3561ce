"""Operator pages of the site; Django finds them by this name."""

from crunchsite.operator import pages

__all__ = ["pages"]
