"""Asks models over the wire: no model can harm the answer of another."""
