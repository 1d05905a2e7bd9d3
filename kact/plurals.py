"""Counts with their nouns, as sentences have them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it has to be.

    Example:
        >>> counted(1, "run"), counted(1200, "run")
        ('1 run', '1,200 runs')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
