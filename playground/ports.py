"""Loopback ports that nobody listens on."""

import secrets
import socket

# Below what the kernel gives to outgoing connections: one of those may not take the port while its server restarts,
# and a client that tries again and again may not be connected to itself.
_FIRST, _LAST = 15_000, 32_000
_ATTEMPTS = 100


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that was free on `address` a moment ago; another server may still take it first."""
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as listener:
            try:
                listener.bind((address, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port found on {address} between {_FIRST} and {_LAST}")
