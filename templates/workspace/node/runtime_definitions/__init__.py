"""What the node defines for itself: data, inference, validation, reporting, contract."""
