"""The ground floor, which every app may import; no Django app, no table of its own."""
