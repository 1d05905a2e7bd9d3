"""Own rates: of a study that compares at several learning rates, each value again, at the one that suited it best.

A rate that suits one activation need not suit another, and a table of equal rates is partly a table of that. Where the
grid holds several, what was scored on validation chooses for each value, and test, which chose nothing, compares.

>>> from kact.reports.material import Material
>>> from kact.reports.findings import findings
>>> own_rates(findings(Material("none", (), {"activation": ()}))) is None
True
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any

from kact.reports.choices import at_edge
from kact.reports.findings import Findings, findings
from kact.reports.material import Cell, Material
from kact.reports.numbers import field, in_words, key, listing
from kact.reports.tables import Table, comparisons
from kact.studies.tune import steady_scores

_RATE = "learning_rate"
_FAMILY = "Read as the pairs above; Holm's correction is over these pairs alone, a family of its own."
_TITLE = "Each with the learning rate that was best for it on validation"


def own_rates(found: Findings) -> Findings | None:
    """Return what is found where each compared value has, of its learning rates, the best on validation.

    Within each combination of all other factors, the rate with the best mean validation score wins; of equal ones the
    first. One at which any run diverged, failed or is missing never does, and a value with no other is left out.

    Returns:
        None where learning rates are not among the other factors, where a value has no choice between two, or
        where no two seeds can be compared.
    """
    material = found.material
    if _RATE not in material.others:
        return None
    groups: dict[str, dict[str, list[Cell]]] = {}
    for cell in material.cells():
        rest = key({name: value for name, value in cell.others.items() if name != _RATE})
        groups.setdefault(rest, {}).setdefault(cell.name, []).append(cell)
    seeds = max((len(cell.rows) for cell in material.cells()), default=0)
    chosen = []
    for values in groups.values():
        best = [_best(cells, material, seeds) for cells in values.values() if len(cells) > 1]
        if len(best) == len(values):
            chosen += [cell for cell in best if cell is not None]
    rows = tuple(row for cell in chosen for row in cell.rows)
    factors = {name: values for name, values in material.factors.items() if name != _RATE}
    made = findings(dataclasses.replace(material, rows=rows, factors=factors), found.detect)
    return made if max((one.n for one in made.comparisons), default=0) > 1 else None


def tables(found: Findings, own: Findings) -> tuple[Table, ...]:
    """Return each value's own rate with its scores, and the comparisons at these.

    Args:
        found: at all rates.
        own: what `own_rates` made of it.
    """
    material, unit, decimals = own.material, own.unit, own.decimals
    rows = []
    for place in own.places:
        for cell in (place.cell(name) for name in place.ranked):
            one, rate = place.summaries[cell.name], cell.settings[_RATE]
            rows.append(
                (
                    *(in_words(value) for value in cell.others.values()),
                    cell.name,
                    in_words(rate),
                    unit.text(statistics.fmean(_validated(cell, material)), decimals),
                    unit.text(one.estimate, decimals),
                    unit.interval(one.interval, decimals),
                    str(one.n),
                    "at the edge of what was tried" if at_edge(_rates(found.material, cell), rate) else "",
                )
            )
    columns = (
        *(field(name) for name in material.others),
        field(material.compare),
        "own learning rate",
        unit.header(f"validation {field(material.score)}"),
        unit.header(f"test {field(material.score)}"),
        unit.header("95 % interval"),
        "n",
        "remark",
    )
    note = "Chosen on validation by the mean over the compared seeds and the best quarter of the epochs; not by test."
    known = {cell.name for place in own.places for cell in place.cells}
    if left := [material.called(name) for name in material.names if name not in known]:
        note += f" Left out: {listing(left)}, with no rate at which each run came to its end."
    paired = [dataclasses.replace(one, title=f"{one.title}, at these rates", note=_FAMILY) for one in comparisons(own)]
    return (Table(_TITLE, columns, tuple(rows), len(material.factors), note), *paired)


def _best(cells: list[Cell], material: Material, seeds: int) -> Cell | None:
    """Return the cell whose rate is best on validation; None where none has all its runs."""
    sign = 1 if material.higher_is_better else -1
    best, highest = None, -math.inf
    for cell in cells:
        scores = _validated(cell, material)
        if len(scores) < seeds or cell.failed or cell.diverged:
            continue
        mean = sign * statistics.fmean(scores)
        if mean > highest:
            best, highest = cell, mean
    return best


def _validated(cell: Cell, material: Material) -> list[float]:
    """Return the validation score of each run that has one: as tuning takes it, which knows accuracy and loss."""
    if material.score not in ("accuracy", "loss"):
        return list(cell.scores(material.score, "validation").values())
    return [scores[material.score] for row in cell.rows if (scores := steady_scores(row))]


def _rates(material: Material, cell: Cell) -> list[Any]:
    """Return the learning rates that a cell's value had, all other factors being as they are in it."""
    names = [name for name in (material.compare, *material.others) if name != _RATE]
    place = key([cell.settings.get(name) for name in names])
    alike = [one for one in material.cells() if key([one.settings.get(name) for name in names]) == place]
    return [one.settings[_RATE] for one in alike]
