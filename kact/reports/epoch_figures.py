"""Figures over the epochs: learning curves, training loss, and the error on train beside validation and test.

>>> from kact.reports.findings import findings
>>> from kact.reports.material import Material
>>> curves(findings(Material("none", (), {"activation": ()})))
[]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kact.plots.epochs import MOST_TOGETHER, Band
from kact.reports.bands import band, band_of, curves_on_test
from kact.reports.findings import Findings, Place
from kact.reports.illustration import Illustration, told
from kact.reports.material import Cell
from kact.reports.numbers import Unit, field

MOST_PANELS = 9
WHILE_LEARNING = " Train is measured while the network learns: over an epoch's steps, dropout at work."
_BAND = (
    "A line is the mean over seeds, a band its 95 % interval; where runs stop at different epochs, it goes as far as"
    " half of them went."
)


def curves(found: Findings) -> list[Illustration]:
    """Draw the score on validation over the epochs."""
    column, unit = ("validation_accuracy", Unit.of("accuracy"))
    if found.material.score == "loss":
        column, unit = "validation_loss", Unit.of("loss")
    words = column.replace("_", " ")
    return _over_epochs(found, "curves", "Learning curves", column, unit, words)


def loss_curves(found: Findings) -> list[Illustration]:
    """Draw the training loss over the epochs."""
    return _over_epochs(found, "loss_curves", "Training loss", "train_loss", Unit.of("loss"), "training loss")


def errors(found: Findings) -> list[Illustration]:
    """Draw the error an epoch on train, validation and, where it was asked for, test."""
    from kact import plots

    cells = _best(found, [cell for place in found.places for cell in place.cells])
    panels: dict[str, dict[str, Band]] = {}
    for cell in cells:
        lines = {
            split: band(cell.rows, f"{split}_accuracy", 100.0, complement=True) for split in ("train", "validation")
        }
        tested = curves_on_test(found.material, cell.rows)
        lines["test"] = band_of(tested, "test_curve_accuracy", 100.0, complement=True)
        drawn = {split: line for split, line in lines.items() if line is not None}
        if drawn:
            name = found.material.called(cell.name)
            panels[f"{name}, {cell.place}" if cell.place else name] = drawn
    if not panels:
        return []
    ends = [
        (name, " and ".join(f"{line.mean[-1]:.1f} ({split})" for split, line in lines.items()))
        for name, lines in panels.items()
    ]
    left = _left_out(len(cells), sum(len(place.cells) for place in found.places), "cells")
    figure = plots.by_split(panels, y="error, %")
    alt = f"Error in percent by epoch, a panel a cell. At the last epoch: {told(ends)}."
    return [Illustration("errors", "Error by epoch", f"{_BAND}{WHILE_LEARNING}{left}", alt, figure)]


def _over_epochs(found: Findings, name: str, title: str, column: str, unit: Unit, words: str) -> list[Illustration]:
    from kact import plots

    places = _shown_places(found)
    panels: dict[str, dict[str, Band]] = {}
    for place in places:
        lines = {cell.name: band(cell.rows, column, unit.scale) for cell in place.cells}
        drawn = {value: line for value, line in lines.items() if line is not None}
        if drawn:
            panels[place.name] = drawn
    if not panels:
        return []
    ends = [
        (f"{value}{f' at {place}' * bool(place)}", f"{line.mean[-1]:.1f}" if unit.symbol else f"{line.mean[-1]:.3f}")
        for place, lines in panels.items()
        for value, line in lines.items()
    ]
    y = unit.header(words)
    alt = f"{words.capitalize()} by epoch, a line a value. At the last epoch: {told(ends)}."
    left = _left_out(len(places), len(found.places), "combinations")
    if len(panels) == 1 and len(next(iter(panels.values()))) > MOST_TOGETHER:
        left = f" Grey behind each: the others.{left}"
    figure = plots.learning_curves(panels, y=y, values=field(found.material.compare), order=found.material.names)
    return [Illustration(name, title, f"{_BAND}{left}", alt, figure, interactive=_interactive(panels, y))]


def _shown_places(found: Findings) -> list[Place]:
    """Return the places to draw: all, or the best few where there are many."""
    if len(found.places) <= MOST_PANELS:
        return list(found.places)
    sign = -1 if found.material.higher_is_better else 1
    scored = [place for place in found.places if place.best is not None]
    best = sorted(scored, key=lambda place: sign * place.summaries[place.ranked[0]].estimate)[:MOST_PANELS]
    return [place for place in found.places if place in best]


def _best(found: Findings, cells: list[Cell]) -> list[Cell]:
    """Return the cells to draw: all, or the best few where there are many."""
    if len(cells) <= 12:
        return cells
    sign = -1 if found.material.higher_is_better else 1
    scored = [cell for cell in cells if cell.scores(found.material.score)]
    best = sorted(scored, key=lambda cell: sign * float(np.mean(list(cell.scores(found.material.score).values()))))[:12]
    return [cell for cell in cells if cell in best]


def _left_out(shown: int, of: int, what: str) -> str:
    return "" if shown == of else f" Drawn are the {shown} of {of} {what} with the best mean on test."


def _interactive(panels: Mapping[str, Mapping[str, Band]], y: str) -> dict[str, Any]:
    """Return lines and bands as plain values, for `kact.reports.interactive`."""
    lines = [
        {
            "name": f"{value}, {place}" if place else value,
            "epochs": one.epochs.tolist(),
            "mean": _plain(one.mean),
            "low": _plain(one.low),
            "high": _plain(one.high),
        }
        for place, values in panels.items()
        for value, one in values.items()
    ]
    return {"y": y, "lines": lines}


def _plain(values: np.ndarray) -> list[float | None]:
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]
