"""Tables of a page: scores, comparisons, what was chosen on validation, tasks together; every cell is text already.

>>> Table("Scores", ("activation", "accuracy, %"), (("relu", "57.1"),)).headers
1
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kact import stats
from kact.reports.findings import Findings, Place
from kact.reports.material import Cell, Material
from kact.reports.numbers import NOTHING, Unit, field, in_words, key, probability
from kact.stats import Comparison

_EXTRA_SCORES = ("loss", "accuracy", "f1", "precision", "recall")
_MOST_PAIRS = 15  # that are shown before the reader asks for more


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        title: what it shows.
        columns: headers, with units.
        rows: as long as `columns`.
        headers: how many columns, from the left, say what a row is of.
        note: below it.
        folded: whether it is opened by the reader.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    headers: int = 1
    note: str = ""
    folded: bool = False

    def is_words(self, column: int) -> bool:
        """Return whether a column is read as words, to the left, and not as numbers, to the right."""
        return column < self.headers or self.columns[column] in ("verdict", "remark", "value")


def scores(found: Findings) -> Table:
    """Return the table of all cells: mean, spread, interval, n, failures and seconds, published numbers beside them."""
    material, unit, decimals = found.material, found.unit, found.decimals
    published = _published_columns(material.published)
    first = material.score in published
    beside = [name for name in _EXTRA_SCORES if name != material.score and name in published]
    rest = [name for name in published if name not in (material.score, *beside)]
    loss = ["loss"] if material.score != "loss" and "loss" not in beside else []
    rows = []
    for place in found.places:
        for cell in _ordered(place, len(found.places) == 1):
            one = place.summaries[cell.name]
            rows.append(
                (
                    *(in_words(value) for value in cell.others.values()),
                    cell.name,
                    unit.text(one.estimate, decimals),
                    *([_published(material, cell, material.score, decimals)] if first else []),
                    unit.text(one.sd, decimals),
                    unit.interval(one.interval, decimals),
                    str(one.n),
                    _trouble(cell),
                    *(text for name in beside for text in (_mean(cell, name), _published(material, cell, name))),
                    *(_mean(cell, name) for name in loss),
                    _seconds(cell),
                    *([_inference(cell)] if "inference_seconds" in rest else []),
                    *(_published(material, cell, name) for name in rest),
                )
            )
    columns = (
        *(field(name) for name in material.others),
        field(material.compare),
        unit.header(f"test {field(material.score)}"),
        *([unit.header("published")] if first else []),
        f"sd, {unit.points}" if unit.points else "sd",
        unit.header("95 % interval"),
        "n",
        "failed, diverged",
        *(Unit.of(name).header(f"{kind} {field(name)}") for name in beside for kind in ("test", "published")),
        *(Unit.of(name).header(f"test {field(name)}") for name in loss),
        "training, s",
        *(["inference of 10,000, s"] if "inference_seconds" in rest else []),
        *(Unit.of(name).header(f"published {field(name)}") for name in rest),
    )
    note = (
        f"Mean over seeds of the score on test, of {material.kept}; sd between seeds (n − 1); interval of the mean:"
        " Student's t, cut where no score can be. n counts runs with a score; a run that diverged counts where it had"
        " kept weights before. Training: median over the runs that came to their end; of runs made at other times, or"
        " beside other work, it tells nothing."
    )
    title = f"Test {field(material.score)} and what else was measured"
    return Table(title, columns, tuple(rows), len(material.factors), note)


def comparisons(found: Findings) -> list[Table]:
    """Return the paired comparisons: those of the best with the others, then all other pairs, folded."""
    first, rest = [], []
    for place in found.places:
        against = place.against_best
        first += [_compared(found, place, one) for one in against]
        rest += [_compared(found, place, one) for one in place.pairwise.comparisons if one not in against]
    if not first:
        return []
    unit, names = found.unit, [field(name) for name in found.material.others]
    columns = (
        *names,
        f"{field(found.material.compare)}, first − second",
        "verdict",
        f"difference, {unit.points}" if unit.points else "difference",
        f"95 % interval, {unit.points}" if unit.points else "95 % interval",
        "p",
        "Holm's p",
        "P(first above second)",
        "n",
        f"seeds to see {unit.amount(found.detect, 0 if unit.scale * found.detect >= 1 else 4)}",
    )
    families = len(found.places)
    note = (
        "First minus second on the same seeds. p: sign-flip permutation test of the mean difference, or (marked t) the"
        " paired t-test where so few seeds could not show anything by it; Holm's correction over the pairs"
        + (f" of each of the {families} combinations, each a family of its own." if families > 1 else " of this page.")
        + " The verdict goes by Holm's p; an interval is of its pair alone, and may leave out 0 all the same."
        + " The probability that the first scores above the second on a seed has Wilson's interval. Seeds: for the"
        " paired t-test to see such a difference four times in five, if the spread stays what it was."
    )
    headers = len(names) + 1
    fold = len(first) + len(rest) > _MOST_PAIRS
    if not fold:
        return [Table("Differences, paired by seed", columns, (*first, *rest), headers, note)]
    tables = [Table("The best against each other one, paired by seed", columns, tuple(first), headers, note)]
    return [*tables, *([Table("All other pairs", columns, tuple(rest), headers, folded=True)] if rest else [])]


def over_tasks(found: Findings) -> Table | None:
    """Return interquartile means over tasks; None where there is one task, or cells differ in more than it."""
    if found.material.others != ["task"] or len(found.places) < 2:
        return None
    generator = np.random.default_rng(0)
    rows = []
    score, unit = found.material.score, found.unit
    cells: dict[str, dict[str, dict[int, float]]] = {}
    for place in found.places:
        for cell in place.cells:
            cells.setdefault(cell.name, {})[place.name] = cell.scores(score)
    for name, by_task in cells.items():
        _, aligned = stats.aligned(by_task)
        one = stats.interquartile_mean(np.array(list(aligned.values())), generator)
        rows.append((one.estimate, (name, unit.text(one.estimate), unit.interval(one.interval), str(one.n))))
    rows.sort(key=lambda row: row[0], reverse=found.material.higher_is_better)
    columns = (
        field(found.material.compare),
        unit.header(f"interquartile mean of test {field(score)}"),
        unit.header("95 % interval"),
        "tasks",
    )
    note = "The mean of the middle half of all runs; interval: stratified bootstrap over seeds, the tasks as they are."
    return Table("All tasks together", columns, tuple(row for _, row in rows), 1, note)


def published_number(material: Material, cell: Cell, name: str) -> float | None:
    """Return a number that was published for a cell, in the score's own unit; None where there is none."""
    values = cell.settings
    for entry in material.published:
        where: Mapping[str, Any] = entry["cell"]
        if name in entry and all(key(values.get(factor)) == key(value) for factor, value in where.items()):
            return float(entry[name])
    return None


def _compared(found: Findings, place: Place, one: Comparison) -> tuple[str, ...]:
    unit, decimals = found.unit, found.difference_decimals
    needed = one.needed.seeds if one.needed is not None else None
    better = (one.difference.estimate > 0) == found.material.higher_is_better
    winner = found.material.called(one.first if better else one.second)
    verdict = f"{winner} is better" if one.detected else "no detectable difference"
    mark = " (t)" if one.test == "t" else ""
    improvement = one.improvement
    likely = (
        NOTHING
        if not improvement.n
        else f"{improvement.estimate:.2f} ({Unit(1, '', '', 2).interval(improvement.interval)})"
    )
    return (
        *(in_words(value) for value in place.cells[0].others.values()),
        f"{one.first} − {one.second}",
        verdict if one.test != "none" else "nothing can be told",
        unit.text(one.difference.estimate, decimals, sign=True),
        unit.interval(one.difference.interval, decimals, sign=True),
        probability(one.p) + mark,
        probability(one.p_holm),
        likely,
        str(one.n),
        NOTHING if needed is None else f"{needed:,}",
    )


def _ordered(place: Place, ranked: bool) -> list[Cell]:
    """Return a place's cells: the best first in a table of one place, else as the factor's values come."""
    if not ranked:
        return list(place.cells)
    without = [cell for cell in place.cells if cell.name not in place.ranked]
    return [*(place.cell(name) for name in place.ranked), *without]


def _trouble(cell: Cell) -> str:
    return f"{cell.failed}, {cell.diverged}"


def _mean(cell: Cell, name: str) -> str:
    values = list(cell.scores(name).values())
    return Unit.of(name).text(statistics.fmean(values) if values else None)


def _seconds(cell: Cell) -> str:
    times = cell.seconds()
    longest = max(times, default=1)
    return Unit.of("seconds").text(
        statistics.median(times) if times else None, 0 if longest >= 100 else 1 + (longest < 1)
    )


def _inference(cell: Cell) -> str:
    times = [row.metrics["timing"].get("inference_seconds_for_10000") for row in cell.rows if row.metrics]
    known = [one for one in times if one is not None]
    return Unit.of("seconds").text(statistics.median(known) if known else None)


def _published_columns(published: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which numbers were published; a spread goes with its mean."""
    numbers = [name for entry in published for name, value in entry.items() if isinstance(value, int | float)]
    return [name for name in dict.fromkeys(numbers) if not name.endswith("_sd") and name != "n"]


def _published(material: Material, cell: Cell, name: str, digits: int | None = None) -> str:
    value = published_number(material, cell, name)
    spread = published_number(material, cell, f"{name}_sd")
    unit = Unit.of(name)
    if value is None or not math.isfinite(value):
        return NOTHING
    return unit.text(value, digits) + (f" ± {unit.text(spread, digits)}" if spread is not None else "")
