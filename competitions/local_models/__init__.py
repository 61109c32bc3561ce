"""The embedded orchestrator: it runs a folder of models, one process each.

It runs on its own (`python -m competitions.local_models`), without Django, settings or
secrets, because it starts other people's code.
"""
