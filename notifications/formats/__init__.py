"""A neutral message in the form that a receiver reads."""
