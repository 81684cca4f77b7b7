"""Ports of this machine."""

import socket

from sources.errors import HubError


def refuse_taken(port: int, *, wanted_by: str, setting: str) -> None:
    """Raise HubError if something listens on `port` of the loopback address already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise HubError(
                f"Port {port} is in use by another program, so {wanted_by} cannot listen there. "
                f"Set {setting} to a free port, or stop that program."
            ) from None
