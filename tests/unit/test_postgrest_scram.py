import base64

import pytest

from pgcraft_operator.postgrest.scram import make_verifier, verifies

# The example of RFC 7677, section 3: user `user`, password `pencil`; its ServerKey follows from the server signature.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_the_verifier_of_the_rfc() -> None:
    assert make_verifier("pencil", salt=SALT) == PENCIL
    assert verifies(PENCIL, "pencil")
    assert not verifies(PENCIL, "pencils")


def test_every_verifier_has_a_salt_of_its_own() -> None:
    assert make_verifier("pencil") != make_verifier("pencil")


@pytest.mark.parametrize("text", ["", "pencil", "md5abc", "SCRAM-SHA-256$4096:!$a:b", PENCIL + "x", PENCIL[:-1]])
def test_other_text_is_no_verifier(text: str) -> None:
    assert not verifies(text, "pencil")


@pytest.mark.parametrize("password", ["", "pässword", "tab\there", "nul\0"])
def test_passwords_that_clients_prepare_differently_are_refused(password: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        make_verifier(password)
    assert not verifies(PENCIL, password)
