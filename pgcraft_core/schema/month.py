"""Calendar months by name: `2026-11`, which sort as they follow each other."""

from __future__ import annotations

from datetime import date


def month_of(day: date) -> str:
    """Return the month a day lies in."""
    return f"{day.year:04}-{day.month:02}"


def month_after(month: str, distance: int = 1) -> str:
    """Return the month so many months later; earlier, where `distance` is negative.

    None lies before the year 1, so that a retention of any length ends somewhere.
    """
    year, number = month.split("-")
    count = max(int(year) * 12 + int(number) - 1 + distance, 12)
    return f"{count // 12:04}-{count % 12 + 1:02}"
