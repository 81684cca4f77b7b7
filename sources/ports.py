"""Free and used ports of this machine."""

import socket

from sources.errors import HubError

HIGHEST = 65535


def first_free(port: int) -> int:
    """Return the first free port of the loopback address, from `port` on. Raises HubError if there is none."""
    for candidate in range(port, HIGHEST + 1):
        if not _is_used(candidate):
            return candidate
    raise HubError(f"No port from {port} on is free.")


def check_free(port: int, *, wanted_by: str, setting: str) -> None:
    """Raise HubError if `port` of the loopback address is in use."""
    if _is_used(port):
        raise HubError(
            f"Port {port} is in use by another program, so {wanted_by} cannot listen there. "
            f"Set {setting} to a free port, or stop that program."
        )


def _is_used(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
