"""Findings: what `kact.stats` says of a material, place by place; a place is one combination of the other factors.

>>> findings(Material("none", (), {"activation": ()})).places
()
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kact import stats
from kact.errors import KactError
from kact.reports.material import Cell, Material
from kact.reports.numbers import FRACTIONS, Unit, decimals_for, possible
from kact.stats import Comparison, Pairwise, Summary

ONE_POINT = 0.01
_SHARE_OF_A_LOSS = 0.05
_SEED = 0  # of the generator: the same results give the same page


@dataclass(frozen=True)
class Place:
    """The cells that are compared with each other, seed by seed.

    Attributes:
        name: the other factors in words; "" where there are none.
        cells: in the order of the compared factor's values.
        summaries: of each cell's test scores, by its name; an interval ends where a score has to.
        pairwise: each with each, the better mean first.
    """

    name: str
    cells: tuple[Cell, ...]
    summaries: Mapping[str, Summary]
    pairwise: Pairwise

    @property
    def ranked(self) -> tuple[str, ...]:
        """The names of the cells that have a score, the best mean first."""
        return self.pairwise.names

    @property
    def best(self) -> str | None:
        """The name with the best mean; None where there is no score."""
        return self.ranked[0] if self.ranked else None

    @property
    def against_best(self) -> tuple[Comparison, ...]:
        """The comparisons of the best with each other one."""
        return tuple(one for one in self.pairwise.comparisons if self.best in (one.first, one.second))

    def cell(self, name: str) -> Cell:
        """Return the cell of a name."""
        return next(cell for cell in self.cells if cell.name == name)


@dataclass(frozen=True)
class Findings:
    """All that a page says in numbers.

    Attributes:
        material: what it was found in.
        places: those that have a run.
        detect: the difference that matters, in the score's own unit: seeds are counted for it.
        unit: of the score.
    """

    material: Material
    places: tuple[Place, ...]
    detect: float
    unit: Unit

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons of all places."""
        return [one for place in self.places for one in place.pairwise.comparisons]

    @property
    def summaries(self) -> list[Summary]:
        """The sums of all cells."""
        return [one for place in self.places for one in place.summaries.values()]

    @property
    def decimals(self) -> int:
        """How many decimals a mean gets, in its unit."""
        return decimals_for(*map(self._half, self.summaries), otherwise=self.unit.decimals)

    @property
    def difference_decimals(self) -> int:
        """How many decimals a difference gets, in its unit."""
        return decimals_for(*(self._half(one.difference) for one in self.comparisons), otherwise=self.unit.decimals)

    @property
    def most_seeds(self) -> int:
        """How many seeds the cell with the most of them has."""
        return max((one.n for one in self.summaries), default=0)

    @property
    def best_cell(self) -> Cell | None:
        """The cell with the best mean of all; None where there is no score."""
        found = [(place.summaries[place.best].estimate, place) for place in self.places if place.best is not None]
        if not found:
            return None
        choose = max if self.material.higher_is_better else min
        place = choose(found, key=lambda one: one[0])[1]
        return place.cell(place.ranked[0])

    def _half(self, estimate: stats.Estimate) -> float:
        if estimate.interval is None:
            return math.nan
        low, high = estimate.interval
        return self.unit.scale * (high - low) / 2


def findings(material: Material, detect: float | None = None) -> Findings:
    """Return what the compared runs say.

    Args:
        material: with rows of the "compare" stage.
        detect: the difference that matters, in the score's own unit; one point, or 5 % of a loss, if None.
    """
    places = {name: tuple(cells) for name, cells in material.by_place().items()}
    if detect is None:
        detect = ONE_POINT if material.score in FRACTIONS else _SHARE_OF_A_LOSS * _typical(material)
    made = tuple(_place(name, cells, material, detect) for name, cells in places.items())
    return Findings(material, made, detect, Unit.of(material.score))


def _place(name: str, cells: tuple[Cell, ...], material: Material, detect: float) -> Place:
    by_seed = {cell.name: {row.seed: row.score("test", material.score) for row in cell.rows} for cell in cells}
    if len(by_seed) < len(cells):
        raise KactError(
            f"Two values of {material.compare!r} read alike: {', '.join(cell.name for cell in cells)}.",
            "Give them names of their own: label.NAME in a [[zip]].",
        )
    _, scores = stats.aligned(by_seed)
    summaries = {one: _within(stats.summary(values), material.score) for one, values in scores.items()}
    sign = -1 if material.higher_is_better else 1
    ranked = sorted((one for one in scores if summaries[one].n), key=lambda one: sign * summaries[one].estimate)
    generator = np.random.default_rng(_SEED)
    return Place(name, cells, summaries, stats.pairwise({one: scores[one] for one in ranked}, generator, detect=detect))


def _within(one: Summary, score: str) -> Summary:
    """Return a sum whose interval has nothing in it that the mean cannot be, as Student's t has with few seeds."""
    if one.interval is None:
        return one
    low, high = np.clip(one.interval, *possible(score)).tolist()
    return dataclasses.replace(one, interval=(low, high))


def _typical(material: Material) -> float:
    known = [row.score("test", material.score) for row in material.compared]
    return float(np.median([one for one in known if one is not None] or [1.0])) or 1.0
