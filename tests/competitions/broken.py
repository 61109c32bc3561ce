"""A module of an operator's that ends the process when it is imported."""

raise SystemExit("not today")
