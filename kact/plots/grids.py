"""Figures over settings: heat maps of two factors, and how sensitive a score is to a learning rate, dropout or L2.

>>> import numpy as np
>>> figure = heat_maps({"test accuracy, %": np.array([[50.0, np.nan]])}, ["1"], ["1", "2"], y="convolutions", x="dense")
>>> [text.get_text() for text in figure.axes[0].texts]
['50.0', '–']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kact.plots.scores import PlottedMean
from kact.plots.style import GREY, lined, new_figure, ordered, series, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heat_maps(
    panels: Mapping[str, np.ndarray], rows: Sequence[str], columns: Sequence[str], *, y: str, x: str
) -> Figure:
    """Draw means over two factors as colours, with the number in each cell.

    Args:
        panels: by what is drawn with its unit, `(rows, columns)`; NaN where there is no run. Each has its own scale.
        rows, columns: the factors' values.
        y, x: the factors' names.
    """
    count = len(panels)
    side = 1.3 + 0.5 * len(columns)
    stacked = count * side > 8
    figure = new_figure(min(8.4, max(4.2, side if stacked else count * side)), _height(len(rows), count, stacked))
    grid = figure.subplots(count if stacked else 1, 1 if stacked else count, squeeze=False)
    for axes, (title, values) in zip(grid.flat, panels.items(), strict=True):
        drawn = axes.imshow(values, cmap="cividis", aspect="auto")
        low, high = drawn.get_clim()
        digits = _digits(values)
        for (i, j), value in np.ndenumerate(values):
            bright = np.isfinite(value) and high > low and (value - low) / (high - low) > 0.55
            text = f"{value:.{digits}f}" if np.isfinite(value) else "–"
            colour = "black" if bright or not np.isfinite(value) else "white"
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(columns)), [wrapped(one) for one in columns], fontsize=8)
        axes.set_yticks(range(len(rows)), [wrapped(one) for one in rows], fontsize=8)
        if max(map(len, columns)) > 6:
            axes.tick_params(axis="x", rotation=40)
        axes.set_xlabel(x, fontsize=9)
        axes.set_ylabel(y, fontsize=9)
        axes.set_title(title, fontsize=9)
        figure.colorbar(drawn, ax=axes, shrink=0.85).ax.tick_params(labelsize=8)
    return figure


def sensitivity(
    lines: Mapping[str, Mapping[float, PlottedMean]],
    *,
    x: str,
    y: str,
    chosen: Mapping[str, float] | None = None,
    order: Sequence[str] = (),
) -> Figure:
    """Draw a score over a numeric setting, a line a value; what was chosen is ringed.

    Args:
        lines: by value, then by the setting.
        x, y: what the axes are, with their units.
        chosen: the setting that was chosen for each value.
        order: of the values, which says how each looks.
    """
    looks = series(ordered(lines, order))
    settings = sorted({one for line in lines.values() for one in line})
    figure = new_figure(7.2, 3.9)
    axes = figure.subplots()
    for i, (name, line) in enumerate(lines.items()):
        points = [(settings.index(setting), line[setting]) for setting in sorted(line)]
        # Settings stand at even steps, as they were chosen to; beside each other, so that no interval hides another.
        shift = 0.0 if len(lines) == 1 else 0.14 * (i / (len(lines) - 1) - 0.5)
        places = [place + shift for place, _ in points]
        look = {key: looks[name][key] for key in ("color", "marker", "linestyle")}
        axes.plot(places, [one.mean for _, one in points], label=wrapped(name), markersize=5, linewidth=1.3, **look)
        axes.vlines(places, [one.low for _, one in points], [one.high for _, one in points], color=look["color"])
        if chosen and name in chosen and chosen[name] in line:
            place = settings.index(chosen[name]) + shift
            axes.plot(place, line[chosen[name]].mean, "o", markersize=11, markerfacecolor="none", color="black")
    axes.set_xticks(range(len(settings)), [f"{one:g}" for one in settings], fontsize=8)
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(axis="y", labelsize=8, labelcolor=GREY)
    lined(axes)
    if len(lines) > 1:
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _height(rows: int, panels: int, stacked: bool) -> float:
    one = max(2.4, 1.2 + 0.36 * rows)
    return one * panels if stacked else one


def _digits(values: np.ndarray) -> int:
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    return 0 if largest > 100 else 1 if largest >= 3 else 3
