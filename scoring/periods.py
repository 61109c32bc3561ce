"""Aligned periods: the grid of multiples of a length since the epoch."""

from core.grid import EPOCH, floor, following

__all__ = ["EPOCH", "floor", "following"]
