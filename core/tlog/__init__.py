"""Transparency logs: trees, proofs, signed notes, tiles.

Pure functions over bytes, without Django: participants verify with the same code.
Formats: RFC 6962 section 2.1 for trees, and c2sp.org for the rest (signed-note,
tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-tiles).
"""
