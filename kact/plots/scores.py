"""Figures that set cells side by side: bars with intervals, seconds, train against test loss, ranks over tasks.

>>> figure = bars({"": {"relu": PlottedMean(0.5, 0.4, 0.6, (0.45, 0.55))}}, x="test accuracy, %")
>>> len(figure.axes)
2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kact.plots.style import GREY, lined, new_figure, ordered, series, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PlottedMean:
    """A mean with its interval and the runs behind it, in the unit of the axis.

    Attributes:
        mean: of the runs.
        low, high: ends of its interval; NaN where one run, or runs that are alike, leave none.
        runs: a value each.
        published: what somebody else reported for the same, or None.
    """

    mean: float
    low: float
    high: float
    runs: tuple[float, ...]
    published: float | None = None


def bars(groups: Mapping[str, Mapping[str, PlottedMean]], *, x: str, y: str = "", order: Sequence[str] = ()) -> Figure:
    """Draw a bar a cell from zero, and beside it the same close up, where intervals and single runs can be seen.

    Args:
        groups: by the other factors in words ("" where there are none), then by value.
        x: what is drawn, with its unit.
        y: what the values are of.
        order: of the values, which says how each looks.

    Returns:
        The figure. A bar has to begin at zero, where differences that matter are hard to see: hence two panels. What
        lies far from all others is an arrow at the edge of the second.
    """
    looks = series(ordered([name for cells in groups.values() for name in cells], order))
    rows = [(name, one) for cells in groups.values() for name, one in cells.items()]
    places, headings = _bar_places(groups)
    figure = new_figure(7.2, 1.1 + 0.27 * (places[-1] + 1))
    whole, close = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.5])
    for at, (name, one) in zip(places, rows, strict=True):
        look = looks[name]
        whole.barh(at, one.mean, height=0.72, facecolor=look["color"], alpha=0.55, edgecolor="black", linewidth=0.6,
                   hatch=look["hatch"])  # fmt: skip
        close.plot(one.runs, [at] * len(one.runs), "|", color=GREY, markersize=9, alpha=0.8, zorder=2)
        for axes in (whole, close):
            axes.hlines(at, one.low, one.high, color="black", linewidth=1.6, zorder=3)
        close.plot(one.mean, at, look["marker"], color=look["color"], markersize=7, zorder=4, markeredgecolor="black")
        if one.published is not None:
            close.plot(one.published, at, "x", color="black", markersize=8, markeredgewidth=1.8, zorder=5)
    for group, at in headings.items():
        whole.text(0, at, group, fontsize=9, fontweight="bold", va="center", ha="left")
    _come_close(close, places, [one for _, one in rows])
    whole.set_yticks(places, [wrapped(name) for name, _ in rows], fontsize=9)
    whole.set_ylim(places[-1] + 0.7, places[0] - (1.6 if headings else 0.7))
    whole.set_ylabel(y, fontsize=9)
    whole.set_xlabel(x, fontsize=9)
    close.set_xlabel(f"{x}, close up", fontsize=9)
    for axes in (whole, close):
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="y", length=0, labelsize=9)
        lined(axes)
    return figure


def seconds(groups: Mapping[str, Mapping[str, Sequence[float]]], *, x: str = "training time, s") -> Figure:
    """Draw a box of training times a value: the median, the quartiles, and every run as a dot.

    Args:
        groups: by another factor in words ("" where there is none), such as batch norm; then by value.
        x: what is drawn, with its unit.
    """
    names = list(dict.fromkeys(name for cells in groups.values() for name in cells))
    looks = series(list(groups))
    figure = new_figure(7.2, 1.0 + (0.2 + 0.24 * len(groups)) * len(names))
    axes = figure.subplots()
    width = 0.8 / len(groups)
    for i, (group, cells) in enumerate(groups.items()):
        kept = [name for name in names if name in cells]
        places = [names.index(name) - 0.4 + (i + 0.5) * width for name in kept]
        boxes = axes.boxplot(
            [list(cells[name]) for name in kept], positions=places, widths=width * 0.75, orientation="horizontal",
            patch_artist=True, showfliers=False, manage_ticks=False, medianprops={"color": "black", "linewidth": 1.6},
        )  # fmt: skip
        for box in boxes["boxes"]:
            box.set(facecolor=looks[group]["color"], alpha=0.45, hatch=looks[group]["hatch"])
        if group:
            boxes["boxes"][0].set_label(group)
        for y, name in zip(places, kept, strict=True):
            axes.plot(cells[name], [y] * len(cells[name]), ".", color=GREY, markersize=4, alpha=0.8, zorder=3)
    axes.set_yticks(range(len(names)), [wrapped(name) for name in names], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(x, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    lined(axes)
    if len(groups) > 1:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def loss_scatter(points: Mapping[str, Sequence[tuple[float, float]]], *, order: Sequence[str] = ()) -> Figure:
    """Draw each run's loss on test over its loss on train; on the line both are the same, above it the run overfits.

    Args:
        points: by value, (train loss, test loss) a run; both above 0, as the axes are logarithmic.
        order: of the values, which says how each looks.
    """
    looks = series(ordered(points, order))
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    every = np.array([point for pairs in points.values() for point in pairs])
    ends = np.array([every.min() * 0.9, every.max() * 1.1])
    axes.plot(ends, ends, ":", color=GREY, linewidth=1, label="test = train")
    for name, pairs in points.items():
        axes.plot(
            *zip(*pairs, strict=True), looks[name]["marker"], color=looks[name]["color"], label=wrapped(name),
            markersize=6, alpha=0.8, markeredgecolor="black", markeredgewidth=0.4,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    for place, values in ((axes.set_xlim, every[:, 0]), (axes.set_ylim, every[:, 1])):
        margin = (values.max() / values.min()) ** 0.08 * 1.02
        place(values.min() / margin, values.max() * margin)
    axes.set_xlabel("train loss of the kept weights", fontsize=9)
    axes.set_ylabel("test loss of the kept weights", fontsize=9)
    _plain_logarithms(axes)
    lined(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def critical_difference(ranks: Mapping[str, float], groups: Sequence[Sequence[str]], *, tasks: int) -> Figure:
    """Draw mean ranks over several tasks; a bar joins those that a Nemenyi test cannot tell apart.

    Args:
        ranks: mean rank by value; 1 is best.
        groups: values that cannot be told apart, a sequence a bar.
        tasks: how many were ranked.

    Source: Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7.
    """
    ordered = sorted(ranks, key=lambda name: ranks[name])
    figure = new_figure(7.2, 0.9 + 0.26 * (len(ordered) + len(groups)))
    axes = figure.subplots()
    for y, name in enumerate(ordered):
        axes.plot(ranks[name], y, "o", color="black", markersize=5)
        axes.annotate(f"{name}  {ranks[name]:.2f}", (ranks[name], y), (7, 0), textcoords="offset points",
                      va="center", fontsize=9)  # fmt: skip
    for i, group in enumerate(groups):
        inside = [ranks[name] for name in group]
        axes.hlines(len(ordered) + 0.2 + i, min(inside), max(inside), color=GREY, linewidth=5)
    axes.set_ylim(len(ordered) + len(groups) + 0.2, -0.7)
    axes.set_xlim(1 - 0.1, len(ordered) + 0.9)
    axes.set_yticks([])
    axes.set_xlabel(f"mean rank over {tasks} tasks (1 is best); a grey bar spans what cannot be told apart", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    lined(axes)
    axes.spines["left"].set_visible(False)
    return figure


def _bar_places(groups: Mapping[str, Mapping[str, PlottedMean]]) -> tuple[list[float], dict[str, float]]:
    """Return where each bar stands, and the heading of each group that has a name; a step is a bar's height."""
    places: list[float] = []
    headings: dict[str, float] = {}
    place = 0.0
    for group, cells in groups.items():
        if group:
            place += 1.0
            headings[group] = place
        for _ in cells:
            place += 1.0
            places.append(place)
    return places, headings


def _come_close(axes: Axes, places: Sequence[float], cells: Sequence[PlottedMean]) -> None:
    """Leave out of view what lies far from most, with an arrow and its number where it is missing."""
    means = np.array([one.mean for one in cells])
    first, third = np.quantile(means, [0.25, 0.75])
    reach = 1.5 * (third - first)
    near = (means >= first - reach) & (means <= third + reach)
    if near.all():
        return
    ends = [(min(one.runs), max(one.runs)) for one, kept in zip(cells, near, strict=True) if kept]
    ends += [(one.low, one.high) for one, kept in zip(cells, near, strict=True) if kept and np.isfinite(one.low)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    margin = 0.06 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    for y, one, kept in zip(places, cells, near, strict=True):
        if not kept:
            left = one.mean < low
            at, side, text = (0.02, "left", f"← {one.mean:.4g}") if left else (0.98, "right", f"{one.mean:.4g} →")
            axes.text(at, y, text, transform=axes.get_yaxis_transform(), ha=side, va="center", fontsize=9)


def _plain_logarithms(axes: Axes) -> None:
    """Label logarithmic axes with plain numbers, few enough to be read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        many = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
        subs = many if high / low < 6 else (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
        axis.set_major_locator(MaxNLocator(5) if high / low < 3 else LogLocator(subs=subs))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        if high / low < 3:
            axis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)
