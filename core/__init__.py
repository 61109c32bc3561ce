"""Shared code that every app may import; it has no Django app and no table."""
