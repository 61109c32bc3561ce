"""{{ title }}: the public package of the competition."""
