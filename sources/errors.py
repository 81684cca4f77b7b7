"""The error that users see as one sentence, without a traceback."""


class HubError(Exception):
    """An error that the user can correct; the message has the cause and the remedy."""
