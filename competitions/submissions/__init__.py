"""Models that participants submit: received, checked, put in their place."""
