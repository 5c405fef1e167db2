import base64
import json
from typing import Any

import jwt
import pytest

from pgcraft_operator.postgrest.token import LIFETIME, sign_token, signing_key

KEY = b"\xff\xfe" + b"k" * 32


def jwk(**fields: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": base64.urlsafe_b64encode(KEY).rstrip(b"=").decode(), **fields}


def test_a_token_is_what_other_implementations_read() -> None:
    claims = jwt.decode(sign_token(KEY, 'rôle "x"', "pgcraft"), KEY, algorithms=["HS256"], audience="pgcraft")
    assert claims["role"] == 'rôle "x"'
    assert claims.keys() == {"role", "exp", "aud"}
    assert LIFETIME <= 60
    assert "aud" not in jwt.decode(sign_token(KEY, "r"), KEY, algorithms=["HS256"])


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("k" * 32, b"k" * 32),
        ("1" * 32, b"1" * 32),
        (json.dumps(jwk()), KEY),
        (json.dumps(jwk(alg="HS256")), KEY),
        (json.dumps({"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}, jwk()]}), KEY),
        (json.dumps(jwk(alg="HS512")), None),
        (json.dumps({"kty": "RSA", "n": "x", "e": "AQAB"}), None),
        (json.dumps({"keys": []}), None),
    ],
)
def test_the_key_is_taken_from_whatever_form_the_secret_has(secret: str, key: bytes | None) -> None:
    assert signing_key(secret) == key
