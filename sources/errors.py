"""What a user is told: an error that is shown as one sentence, without a traceback."""


class HubError(Exception):
    """A failure that the user can act on; its message says what is wrong and what to do."""
