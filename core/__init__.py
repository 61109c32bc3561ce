"""The ground floor: what every app stands on; no Django app and no table of its own."""
