"""Figures of a task's data: samples of each class, and how often each class or tag comes.

>>> counts = {"train": np.array([5, 5]), "validation": np.array([1, 2]), "test": np.array([2, 2])}
>>> len(count_sheet(counts, ["ant", "bee"], title="made").axes)
1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kact.plots.style import BLUE, GREEN, VERMILION, bare, lined, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLASSES = 40  # that a sheet of samples shows
_LOOKS = ((BLUE, "", "-"), (VERMILION, "////", "--"), (GREEN, "\\\\\\\\", ":"))  # colour, hatch and line of each split


def sample_sheet(images: Sequence[np.ndarray], labels: Sequence[str], *, title: str) -> Figure:
    """Draw a row of images for each class.

    Args:
        images: for each class `(n, height, width, 1 or 3)`, uint8; the first 40 classes are drawn.
        labels: the classes' names.
        title: of the figure.
    """
    images = images[:MOST_CLASSES]
    height, width = images[0].shape[1:3]
    gap, columns = max(1, height // 10), max(map(len, images))
    sheet = np.full(((height + gap) * len(images) - gap, (width + gap) * columns - gap, 3), 255, np.uint8)
    for i, row in enumerate(images):
        for j, image in enumerate(row):  # one picture of all of them: a hundred axes would take seconds to lay out
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    figure = new_figure(1.4 + 0.75 * columns, 0.5 + 0.78 * len(images))
    more = f" (the first {MOST_CLASSES} of {len(labels)} classes)" if len(labels) > MOST_CLASSES else ""
    figure.suptitle(title + more, fontsize=10)
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    bare(axes)
    axes.set_yticks(np.arange(len(images)) * (height + gap) + (height - 1) / 2, labels[: len(images)])
    axes.tick_params(length=0)
    return figure


def count_sheet(
    counts: Mapping[str, np.ndarray],
    labels: Sequence[str],
    lengths: Mapping[str, np.ndarray] | None = None,
    *,
    title: str,
) -> Figure:
    """Draw the share of each class or tag in each split, and how long sentences are where they are given.

    Args:
        counts: split to `(labels,)`.
        labels: names of classes or tags.
        lengths: split to `(sentences,)`, tokens of each.
        title: of the figure.

    Returns:
        The figure. Shares, not counts, so that splits of different sizes can be compared.
    """
    panels = 2 if lengths else 1
    figure = new_figure(5.2 * panels, max(3.0, 0.9 + 0.3 * len(labels)))
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _bars(axes[0], counts, labels)
    if lengths:
        _lengths(axes[1], lengths)
    for one in axes:
        lined(one)
        one.set_axisbelow(True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _bars(axes: Axes, counts: Mapping[str, np.ndarray], labels: Sequence[str]) -> None:
    places, height = np.arange(len(labels)), 0.8 / len(counts)
    for index, (split, count) in enumerate(counts.items()):
        colour, hatch, _ = _LOOKS[index % len(_LOOKS)]
        share = count / max(count.sum(), 1)
        at = places + (index - (len(counts) - 1) / 2) * height
        axes.barh(at, share, height, label=split, color=colour, hatch=hatch, edgecolor="white")
    axes.margins(y=0.01)
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("share of the split")


def _lengths(axes: Axes, lengths: Mapping[str, np.ndarray]) -> None:
    for index, (split, one) in enumerate(lengths.items()):
        colour, _, line = _LOOKS[index % len(_LOOKS)]
        axes.ecdf(one, label=split, color=colour, linestyle=line, linewidth=1.4)
    axes.set_xlabel("tokens of a sentence")
    axes.set_ylabel("share of sentences that are no longer")
