"""Durations as Kubernetes writes them (`400ms`, `1h30m`)."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"([0-9]+)(ms|s|m|h)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}


def parse_duration(text: str) -> timedelta:
    """Return the length of a duration of whole hours, minutes, seconds and milliseconds.

    Raises ValueError where `text` is none, or longer than a timedelta holds (some 2.7 million years).
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 400ms, 10m or 1h30m.")
    try:
        return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long for a duration.") from error
