from datetime import timedelta

import pytest

from pgcraft_core.spec.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("400ms", timedelta(milliseconds=400)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1m1ms", timedelta(minutes=1, milliseconds=1)),
        ("0s", timedelta()),
    ],
)
def test_durations_add_up(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "10", "10 m", "-1s", "1.5s", "1d", "m", "99999999999999h"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
