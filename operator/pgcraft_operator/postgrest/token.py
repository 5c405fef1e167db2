"""JSON web tokens the operator signs for its own questions, valid for a minute."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from typing import Any

LIFETIME = 60  # seconds; PostgREST forgives clocks 30 seconds apart


def signing_key(jwt_secret: str) -> bytes | None:
    """Return the symmetric key by which PostgREST verifies tokens, or None where there is none to sign with.

    As PostgREST does, a secret that is JSON is taken for a JWK or a JWK set, any other text for the key itself.
    """
    try:
        parsed = json.loads(jwt_secret)
    except ValueError:
        return jwt_secret.encode()
    if not isinstance(parsed, dict):
        return jwt_secret.encode()
    keys = parsed.get("keys", [parsed])
    return next((key for entry in keys if (key := _symmetric_key(entry)) is not None), None)


def sign_token(key: bytes, role: str, audience: str | None = None) -> str:
    """Return an HS256 token that makes PostgREST run a request as `role`, for `LIFETIME` seconds."""
    claims: dict[str, Any] = {"role": role, "exp": int(time.time()) + LIFETIME}
    if audience is not None:
        claims["aud"] = audience
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64url(hmac.digest(key, signed.encode(), 'sha256'))}"


def _symmetric_key(jwk: object) -> bytes | None:
    if not isinstance(jwk, dict) or jwk.get("kty") != "oct" or jwk.get("alg", "HS256") != "HS256":
        return None
    encoded = str(jwk.get("k", ""))
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)) or None
    except binascii.Error:
        return None


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
