"""The `coordinator` command: from an idea to a live competition, and its operation."""
