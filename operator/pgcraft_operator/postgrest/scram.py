"""SCRAM-SHA-256 verifiers (RFC 5803, RFC 7677) as Postgres stores them, made where the password is.

Sent instead of the password, so that the password reaches neither the server's log nor a migration script.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

_ITERATIONS = 4096  # Postgres's own default; the password is random, so more of them would only slow logins down
_SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+\Z")


def make_verifier(password: str, *, salt: bytes | None = None, iterations: int = _ITERATIONS) -> str:
    """Return `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, with a fresh salt unless one is given.

    Raises:
        ValueError: `password` is empty or not printable ASCII, of which SASLprep (RFC 4013) is the identity.
    """
    if not is_preparable(password):
        raise ValueError("the password must be printable ASCII and not empty")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def verifies(verifier: str, password: str) -> bool:
    """Whether `verifier` is one of `password`; text that is no verifier is none of any password."""
    parts = _VERIFIER.match(verifier)
    if parts is None or not is_preparable(password):
        return False
    try:
        salt = base64.b64decode(parts[2], validate=True)
    except binascii.Error:
        return False
    again = make_verifier(password, salt=salt, iterations=int(parts[1]))
    return hmac.compare_digest(again, verifier)


def is_preparable(password: str) -> bool:
    """Whether a password means the same bytes to every client: printable ASCII, not empty."""
    return bool(password) and password.isascii() and password.isprintable()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
