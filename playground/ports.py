"""Loopback ports that nobody listens on."""

import socket


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that was free on `address` a moment ago; another process may still take it first."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])
