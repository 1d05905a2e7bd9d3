"""Bands: what the runs of a cell did epoch by epoch, as a mean with its interval.

>>> from kact.studies.row import ResultRow
>>> histories = [[{"epoch": 1, "validation_loss": 1.0}], [{"epoch": 1, "validation_loss": 2.0}]]
>>> rows = [ResultRow("a", i, "compare", {}, {}, "finished", history=one) for i, one in enumerate(histories)]
>>> band(rows, "validation_loss").mean.tolist()
[1.5]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from kact import stats
from kact.errors import KactError
from kact.plots.epochs import Band
from kact.reports.material import Material
from kact.reports.numbers import possible
from kact.runs import checked
from kact.runs.history import read_rows
from kact.studies.row import ResultRow

History = Sequence[Mapping[str, float]]


def band(rows: Sequence[ResultRow], column: str, scale: float = 1.0, *, complement: bool = False) -> Band | None:
    """Return the mean of a column of the histories at each epoch; None where no run has it.

    Epochs that fewer than half of the runs reached are left out, as their mean would be of other runs.

    Args:
        rows: of one cell.
        column: of `history.csv`, such as "validation_accuracy".
        scale: what values are multiplied with.
        complement: take 1 minus each value: an error for an accuracy.
    """
    return band_of([row.history for row in rows if row.history], column, scale, complement=complement)


def band_of(histories: Sequence[History], column: str, scale: float = 1.0, *, complement: bool = False) -> Band | None:
    """Return the same for histories as they are."""
    columns = [[float(epoch[column]) for epoch in history if column in epoch] for history in histories]
    columns = [values for values in columns if values]
    if not columns:
        return None
    reached = sorted(map(len, columns), reverse=True)
    last = reached[math.ceil(len(reached) / 2) - 1]
    table = np.full((len(columns), last), np.nan)  # (runs, epochs)
    for row, values in zip(table, columns, strict=True):
        row[: len(values)] = values[:last]
    table = scale * (1 - table if complement else table)
    found = [stats.mean_interval(epoch[np.isfinite(epoch)]) for epoch in table.T]
    least, greatest = possible(column.rpartition("_")[2])
    ends = np.array([one.interval or (np.nan, np.nan) for one in found])  # (epochs, 2)
    ends = np.clip(ends, scale * least, scale * greatest)
    means = np.array([one.estimate for one in found])
    return Band(np.arange(1, last + 1), means, ends[:, 0], ends[:, 1], len(columns))


def curves_on_test(material: Material, rows: Sequence[ResultRow]) -> list[History]:
    """Return the test scores an epoch of those runs that were asked for them and still have their directory.

    They are to be looked at; nothing here selects by them.
    """
    found: list[History] = []
    for row in rows:
        folder = material.folder(row)
        if folder is not None and (folder / "test_curve.csv").is_file():
            file = checked(folder, row.metrics or {}, "test_curve.csv")
            try:
                found.append(read_rows(file))
            except ValueError as error:
                raise KactError(f"'{file}' is damaged: {error}.", "The error by epoch is left out.") from None
    return found
