"""Numbers as a reader wants them: percent, digits as the interval allows, plain words for values.

>>> unit = Unit.of("accuracy")
>>> unit.text(0.57094, decimals_for(unit.scale * 0.0051)), unit.header("accuracy")
('57.09', 'accuracy, %')
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FRACTIONS = ("accuracy", "precision", "recall", "f1", "unseen_accuracy", "sequence_accuracy", "error")
NOTHING = "–"
_MOST_DECIMALS = 4


@dataclass(frozen=True)
class Unit:
    """How a score is written.

    Attributes:
        scale: what a value is multiplied with; 100 for fractions, which become percent.
        symbol: of the unit; "" where there is none.
        points: what a difference is counted in.
        decimals: where no interval says how many.
    """

    scale: float
    symbol: str
    points: str
    decimals: int

    @classmethod
    def of(cls, score: str) -> Unit:
        """Return the unit of a score: percent for fractions, none for a loss."""
        if score in FRACTIONS:
            return cls(100.0, "%", "points", 2)
        if score.endswith("seconds"):
            return cls(1.0, "s", "s", 1)
        return cls(1.0, "", "", 4)

    def header(self, words: str) -> str:
        """Return a column's header, with the unit where there is one."""
        return f"{words}, {self.symbol}" if self.symbol else words

    def text(self, value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """Return a value in this unit; a dash where there is none, and no sign where it rounds to zero.

        Example:
            >>> unit = Unit.of("accuracy")
            >>> unit.text(-0.0004, 1), unit.text(0.0004, 1, sign=True), unit.text(-0.004, 1)
            ('0.0', '0.0', '−0.4')
        """
        if value is None or not math.isfinite(value):
            return NOTHING
        rounded = f"{value * self.scale:{'+' if sign else ''}.{self.decimals if decimals is None else decimals}f}"
        return rounded.replace("-", "−") if float(rounded) else rounded.lstrip("+-")

    def interval(self, ends: tuple[float, float] | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """Return "low to high" in this unit; a dash where there is no interval."""
        if ends is None or not all(map(math.isfinite, ends)):
            return NOTHING
        return " to ".join(self.text(end, decimals, sign=sign) for end in ends)

    def amount(self, value: float, decimals: int | None = None) -> str:
        """Return a difference with what it is counted in, such as "0.41 points"."""
        number = self.text(value, decimals)
        word = "point" if self.points == "points" and number == "1" else self.points
        return f"{number} {word}".rstrip()


def possible(score: str) -> tuple[float, float]:
    """Return the least and the greatest value that a score can have.

    Example:
        >>> possible("f1"), possible("loss")
        ((0.0, 1.0), (0.0, inf))
    """
    return (0.0, 1.0 if score in FRACTIONS else math.inf)


def decimals_for(*half_widths: float, otherwise: int = 2) -> int:
    """Return how many decimals a column gets: two digits of the median half-width of its intervals.

    Example:
        >>> decimals_for(0.53), decimals_for(3.2), decimals_for(12.0), decimals_for(float("nan"))
        (2, 1, 0, 2)
    """
    known = [width for width in half_widths if math.isfinite(width) and width > 0]
    if not known:
        return otherwise
    return min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(statistics.median(known)))))


def probability(p: float | None) -> str:
    """Return a p value with the digits that it deserves.

    Example:
        >>> probability(0.0312), probability(0.00012), probability(1.0)
        ('0.031', '<0.001', '1.000')
    """
    if p is None or not math.isfinite(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def in_words(value: Any) -> str:
    """Return a factor's value for a reader.

    Example:
        >>> in_words(True), in_words(0.0001), in_words([256, 256]), in_words({"name": "lenet", "kernel_size": 3})
        ('yes', '0.0001', '256, 256', 'lenet (kernel size 3)')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        sizes = ", ".join(f"{field(key)} {in_words(one)}" for key, one in value.items() if key != "name")
        name = str(value.get("name", ""))
        return f"{name} ({sizes})" if name and sizes else name or sizes
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value)) or "none"
    return str(value)


def field(name: str) -> str:
    """Return a factor's name for a reader.

    Example:
        >>> field("model.hidden_units"), field("l2")
        ('hidden units', 'L2')
    """
    known = {"l2": "L2", "f1": "F1", "train_seconds": "training", "inference_seconds": "inference"}
    return known.get(name, name.removeprefix("model.").replace("_", " "))


def numeric(values: Iterable[Any]) -> bool:
    """Return whether all values are numbers.

    Example:
        >>> numeric(["a", 1]), numeric([True]), numeric([0.1, 1])
        (False, False, True)
    """
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def listing(words: Iterable[str], last: str = "and") -> str:
    """Return words as a list in a sentence.

    Example:
        >>> listing(["relu"]), listing(["relu", "elu", "mish"])
        ('relu', 'relu, elu and mish')
    """
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def key(value: Any) -> str:
    """Return what two equal values have in common however they were stored: lists and tuples, 1 and 1.0.

    Example:
        >>> key((1, 2)) == key([1.0, 2]), key("1") == key(1)
        (True, False)
    """
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
