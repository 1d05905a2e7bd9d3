"""Counts and lengths of time, as sentences have them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it has to be.

    Example:
        >>> counted(1, "run"), counted(1200, "run")
        ('1 run', '1,200 runs')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a length of time in words.

    Example:
        >>> duration(42), duration(4000), duration(200_000)
        ('42 s', '1 h 07 min', '2 days 7 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"


def short(seconds: float) -> str:
    """Return a short length of time: tenths of a second, or hundredths below one.

    Example:
        >>> short(0.0123), short(12.34)
        ('0.01 s', '12.3 s')
    """
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
