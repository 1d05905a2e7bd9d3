"""The values of a hyper-parameter: a range of numbers, or a few to choose from; how KerasTuner draws them, and a grid.

>>> Range(1e-4, 1e-2, "log", zero=0.25).grid(), Choice(("relu", "mish")).grid()
([0.0, 0.0001, 0.001, 0.01], ['relu', 'mish'])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras_tuner

SCALES = ("linear", "log")
MOST_POINTS = 1000  # of a range: more trials than anybody runs
_DIGITS = 4  # of a value that is drawn: what a person would write down


@dataclass(frozen=True)
class Range:
    """Numbers between two ends.

    Attributes:
        low, high: the ends, both included.
        scale: "linear", or "log": equal shares for equal ratios.
        zero: share of the draws, in [0, 1), that are exactly zero; the others lie between the ends.
        points: values that a grid takes of it, 1 to MOST_POINTS, evenly by the scale, besides zero where that is
            included.
    """

    low: float
    high: float
    scale: str = "linear"
    zero: float = 0.0
    points: int = 3

    @property
    def bottom(self) -> float:
        """Where the draws begin: below `low` as far as the share of zeros reaches, by the scale."""
        beyond = self.zero / (1 - self.zero)
        if self.scale == "log":
            return self.low * (self.low / self.high) ** beyond
        return self.low - (self.high - self.low) * beyond

    def decode(self, drawn: float) -> float:
        """Return the value that a draw in [bottom, high] stands for, in four digits."""
        if self.zero and drawn < self.low:
            return 0.0
        return min(max(rounded(drawn), self.low), self.high)

    def encode(self, value: float) -> float:
        """Return a draw that stands for a value; the nearest one for a value beyond the ends."""
        if self.zero and value == 0:
            return (self.bottom * self.low) ** 0.5 if self.scale == "log" else (self.bottom + self.low) / 2
        return min(max(value, self.low), self.high)

    def grid(self) -> list[float]:
        """Return the values that a grid takes."""
        steps = [i / (self.points - 1) for i in range(self.points)] if self.points > 1 else [0.5]
        if self.scale == "log":
            values = [self.low * (self.high / self.low) ** step for step in steps]
        else:
            values = [self.low + (self.high - self.low) * step for step in steps]
        return list(dict.fromkeys(([0.0] if self.zero else []) + [self.decode(value) for value in values]))

    def declare(self, name: str, space: keras_tuner.HyperParameters) -> None:
        """Add the hyper-parameter to a space of KerasTuner."""
        space.Float(name, self.bottom, self.high, sampling=self.scale)


@dataclass(frozen=True)
class Choice:
    """One of a few values: numbers in order, or names.

    Attributes:
        values: all of them, at least one.
    """

    values: tuple[Any, ...]

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers, so that near ones may be expected to score alike."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    def decode(self, drawn: float | str) -> Any:
        """Return the value that a draw stands for."""
        if self.ordered:
            return min(self.values, key=lambda value: abs(value - float(drawn)))
        return next(value for value in self.values if str(value) == drawn)

    def encode(self, value: Any) -> float | str:
        """Return the draw that stands for a value; that of the first one for a value that is none of them."""
        found = value if value in self.values else self.values[0]
        return float(found) if self.ordered else str(found)

    def grid(self) -> list[Any]:
        """Return the values that a grid takes: all."""
        return list(self.values)

    def declare(self, name: str, space: keras_tuner.HyperParameters) -> None:
        """Add the hyper-parameter to a space of KerasTuner."""
        space.Choice(name, [self.encode(value) for value in self.values])


def rounded(value: float) -> float:
    """Return a number in four digits.

    Example:
        >>> rounded(0.000123456)
        0.0001235
    """
    return float(f"{value:.{_DIGITS}g}")
