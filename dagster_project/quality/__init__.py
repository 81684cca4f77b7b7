"""Quality: the rules of the raw tables as asset checks, and the last results."""
