"""Figures of a study over the epochs: learning curves with bands, and train beside validation and test.

>>> import numpy as np
>>> band = Band(np.arange(1, 4), np.array([0.5, 0.6, 0.7]), np.full(3, 0.4), np.full(3, 0.8), 6)
>>> figure = learning_curves({"": {"relu": band, "elu": band}}, y="validation accuracy, %")
>>> [line.get_label() for line in figure.axes[0].lines]
['relu', 'elu']
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.plots.style import BLUE, GREEN, GREY, VERMILION, lined, new_figure, ordered, series, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TOGETHER = 5  # lines that an eye can follow in one panel
_COLUMNS = 3
_SPLITS: dict[str, dict[str, Any]] = {
    "train": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "validation": {"color": VERMILION, "linestyle": "--", "marker": "s"},
    "test": {"color": GREEN, "linestyle": "-.", "marker": "D"},
}


@dataclass(frozen=True)
class Band:
    """A mean over runs at each epoch, with its interval.

    Attributes:
        epochs: `(epochs,)`, counted from 1.
        mean, low, high: `(epochs,)`; low and high are NaN where one run, or runs that are alike, leave no interval.
        runs: how many there are at the first epoch.
    """

    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


def learning_curves(
    panels: Mapping[str, Mapping[str, Band]], *, y: str, values: str = "", order: Sequence[str] = ()
) -> Figure:
    """Draw one line a value with its band; more than five values get a panel each, the others grey behind.

    Args:
        panels: by the other factors in words ("" where there are none), then by value.
        y: what is drawn, with its unit.
        values: what they are of.
        order: of the values, which says how each looks.
    """
    names = dict.fromkeys(name for lines in panels.values() for name in lines)
    looks = series(ordered(names, order))
    if len(panels) == 1 and len(names) > MOST_TOGETHER:
        return _one_each(next(iter(panels.values())), looks, y)
    figure, places = _panels(len(panels))
    for axes, (title, lines) in zip(places, panels.items(), strict=True):
        for name, band in lines.items():
            _draw(axes, band, looks[name], name, filled=len(lines) <= MOST_TOGETHER)
        axes.set_title(wrapped(title), fontsize=9)
    _label(figure, places, y)
    figure.legend(
        *_handles(places), title=values, loc="outside upper center", ncols=_columns(names), frameon=False, fontsize=9,
        title_fontsize=9,
    )  # fmt: skip
    return figure


def by_split(panels: Mapping[str, Mapping[str, Band]], *, y: str) -> Figure:
    """Draw train beside validation and test, a panel a cell.

    Args:
        panels: by cell in words, then by split: "train", "validation", "test".
        y: what is drawn, with its unit.
    """
    figure, places = _panels(len(panels))
    for axes, (title, lines) in zip(places, panels.items(), strict=True):
        for split, band in lines.items():
            _draw(axes, band, _SPLITS[split], split)
        axes.set_title(wrapped(title), fontsize=9)
    _label(figure, places, y)
    figure.legend(*_handles(places), loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def _one_each(lines: Mapping[str, Band], looks: Mapping[str, dict[str, Any]], y: str) -> Figure:
    figure, places = _panels(len(lines))
    for axes, (name, band) in zip(places, lines.items(), strict=True):
        for other in lines.values():
            axes.plot(other.epochs, other.mean, color="#bbbbbb", linewidth=0.7, zorder=1)
        _draw(axes, band, {**looks[name], "linestyle": "-"}, name)
        axes.set_title(wrapped(name), fontsize=9)
    _label(figure, places, y)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    figure = new_figure(7.2, 3.6 if columns == 1 else 0.6 + 2.0 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    places = list(grid.flat)
    for unused in places[count:]:
        unused.set_axis_off()
    for above in places[max(count - columns, 0) : count]:
        above.tick_params(labelbottom=True)
    return figure, places[:count]


def _draw(axes: Axes, band: Band, look: Mapping[str, Any], label: str, filled: bool = True) -> None:
    every = max(1, len(band.epochs) // 6)
    line = {key: look[key] for key in ("color", "linestyle", "marker")}
    axes.plot(band.epochs, band.mean, markevery=every, markersize=4, linewidth=1.5, label=label, zorder=3, **line)
    if filled and np.isfinite(band.low).any():
        axes.fill_between(band.epochs, band.low, band.high, color=look["color"], alpha=0.2, linewidth=0, zorder=2)


def _label(figure: Figure, places: list[Axes], y: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for axes in places:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.tick_params(labelsize=8, labelcolor=GREY)
        lined(axes)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(y, fontsize=9)


def _columns(names: Collection[str]) -> int:
    """Return how many names fit side by side over a figure."""
    widest = max(map(len, names))
    return max(1, min(len(names), 90 // (widest + 8)))


def _handles(places: list[Axes]) -> tuple[list[Any], list[str]]:
    """Return each line's handle and label once, over all panels."""
    found: dict[str, Any] = {}
    for axes in places:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
