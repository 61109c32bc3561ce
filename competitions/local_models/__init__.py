"""The embedded orchestrator: a folder of models, one process each.

Runs on its own (`python -m competitions.local_models`), without Django, settings or
secrets: what it starts is other people's code.
"""
