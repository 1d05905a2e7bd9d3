"""Tune: settings that are chosen on validation before a study compares anything, for each compared value apart.

One learning rate for all favours whichever activation it happens to suit. Every candidate is trained in every cell,
with seeds of its own, so that no compared run took part in the choice.

>>> tune = Tune({"learning_rate": [0.01, 0.1]}, seeds=2)
>>> list(tune.candidates()), tune.seeds
([{'learning_rate': 0.01}, {'learning_rate': 0.1}], (1000, 1001))
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.studies.factors import factor_values
from kact.studies.row import ResultRow

if TYPE_CHECKING:
    from kact.studies.study import Study

FIRST_SEED = 1000  # a study's own seeds are counted from 0

Group = tuple[Any, ...]


@dataclass(frozen=True)
class Tune:
    """What is tuned, and for whom.

    Attributes:
        grid: setting to its candidates; all combinations are tried.
        seeds: of the tuning runs; a number stands for as many, from 1000.
        within: factors for each of whose values the choice is made anew, beside the compared one. A candidate's score
            is the mean over all other factors and over the seeds.
        epochs: of each tuning run; as many as are compared where there are none.
    """

    grid: Mapping[str, Sequence[Any]]
    seeds: tuple[int, ...] = (FIRST_SEED,)
    within: tuple[str, ...] = ()
    epochs: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", factor_values("tune", self.grid))
        object.__setattr__(self, "seeds", seeds_of(self.seeds, "tune: seeds", FIRST_SEED))
        if not isinstance(self.within, list | tuple) or not all(isinstance(name, str) for name in self.within):
            raise KactError.parameter("tune: within", self.within, "a list of factors")
        object.__setattr__(self, "within", tuple(self.within))
        if self.epochs is not None:
            if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1:
                raise KactError.parameter("tune: epochs", self.epochs, "a whole number, at least 1")
            if "epochs" in self.grid:
                raise KactError("[tune] has epochs twice.", "Give the length of its runs, or candidates for it.")
        if not self.grid:
            raise KactError("[tune] has nothing to choose from.", "Give a list, such as learning_rate = [0.01, 0.1].")

    @property
    def candidate_count(self) -> int:
        """How many candidates there are."""
        return math.prod(len(values) for values in self.grid.values())

    def candidates(self) -> Iterator[dict[str, Any]]:
        """Yield each combination of the settings."""
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))

    def group(self, cell: Mapping[str, Any], compare: str) -> Group:
        """Return the values of a cell for which one choice is made together."""
        return tuple(cell[name] for name in (compare, *self.within))


def choose_settings(study: Study, rows: Iterable[ResultRow]) -> dict[Group, dict[str, Any] | None]:
    """Return the settings that were best on validation, for each group of cells.

    The score is the mean of `steady_scores` over a candidate's runs, by the experiment's `monitor`; of equal ones the
    lower mean loss wins, then the earlier candidate. One of whose runs any diverged, failed or is missing never wins.

    Args:
        study: one that tunes.
        rows: of its results table.

    Returns:
        By group; None where no candidate is left.
    """
    if study.tune is None:
        return {}
    tune, scores = study.tune, _validation_scores(study, rows)
    chosen: dict[Group, dict[str, Any] | None] = {}
    cells = list(study.cells())
    for group in dict.fromkeys(tune.group(cell, study.compare) for cell in cells):
        members = [cell for cell in cells if tune.group(cell, study.compare) == group]
        best: tuple[float, float] | None = None
        chosen[group] = None
        for candidate in tune.candidates():
            found = [scores.get((_set_of(cell | candidate), seed)) for cell in members for seed in tune.seeds]
            whole = [one for one in found if one is not None]
            if len(whole) < len(found):
                continue
            mean = math.fsum(one[0] for one in whole) / len(whole), math.fsum(one[1] for one in whole) / len(whole)
            if best is None or mean < best:
                best, chosen[group] = mean, candidate
    return chosen


_Settings = frozenset[tuple[str, Any]]


def _set_of(cell: Mapping[str, Any]) -> _Settings:
    """Return the settings of a cell, whatever the order in which its study's file names them."""
    return frozenset(cell.items())


def _validation_scores(study: Study, rows: Iterable[ResultRow]) -> dict[tuple[_Settings, int], tuple[float, float]]:
    """Return (what is minimised, loss) of each tuning run that finished, by its cell's settings and its seed."""
    found: dict[tuple[_Settings, int], tuple[float, float]] = {}
    for row in rows:
        if row.stage == "tune" and (scores := steady_scores(row)):
            by_loss = row.experiment.get("monitor") == "loss"
            found[_set_of(row.cell), row.seed] = (
                scores["loss" if by_loss else "accuracy"] * (1 if by_loss else -1),
                scores["loss"],
            )
    return found


def steady_scores(row: ResultRow) -> dict[str, float]:
    """Return the validation scores by which a run is compared with others of other settings, `loss` and `accuracy`.

    They are means over a quarter of the epochs in a row: the one with the best mean of the experiment's `monitor`, or
    the last one where the last weights are kept. The best epoch alone flatters a curve that jumps, as that of too
    large a learning rate does.

    Args:
        row: of a run.

    Returns:
        The scores; none of a run that did not finish, or was not scored on validation.
    """
    names = {name: f"validation_{name}" for name in ("loss", "accuracy")}
    rows = row.history or []
    if row.status != "finished" or not rows or any(one.get(name) is None for one in rows for name in names.values()):
        return {}
    width = math.ceil(len(rows) / 4)
    starts = range(len(rows) - width + 1)
    quarters = [
        {short: math.fsum(one[name] for one in rows[start : start + width]) / width for short, name in names.items()}
        for start in starts
    ]
    if row.experiment.get("keep") == "last":
        return quarters[-1]
    if row.experiment.get("monitor") == "loss":
        return min(quarters, key=lambda one: one["loss"])
    return max(quarters, key=lambda one: (one["accuracy"], -one["loss"]))


def seeds_of(given: Any, argument: str, start: int = 0) -> tuple[int, ...]:
    """Return seeds for a number of them, counted from `start`, or for a list.

    Example:
        >>> seeds_of(3, "seeds"), seeds_of([42, 7], "seeds")
        ((0, 1, 2), (42, 7))
    """
    listed = isinstance(given, list | tuple)
    values = list(given) if listed else [given]
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in values):
        raise KactError.parameter(argument, given, "a number of seeds, or a list of them")
    if (not listed and not 1 <= given <= 1_000_000) or not values or len(set(values)) < len(values):
        raise KactError.parameter(argument, given, "a number of seeds, at least 1, or a list of different ones")
    return tuple(values) if listed else tuple(range(start, start + given))
