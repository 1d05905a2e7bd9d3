"""Figures of one run: feature maps, first kernels, curves, confusion, diagnostics.

>>> figure = curves([{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.2}], title="a run")
>>> [axes.get_ylabel() for axes in figure.axes]
['loss']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.plots.style import BLUE, GREEN, GREY, MARKERS, VERMILION, bare, lined, new_figure, on_shade

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MAPS, MOST_KERNELS = 32, 64  # that one figure shows

_SPLITS = {"train": (BLUE, "-", "o"), "validation": (VERMILION, "--", "s")}
_MOST_COUNTED, _MOST_IMAGES = 15, 50


def feature_map_sheet(
    images: np.ndarray, maps: np.ndarray, captions: Sequence[str], *, title: str, right: Sequence[bool | None] = ()
) -> Figure:
    """Draw each image in a row with its feature maps, all on one scale.

    Args:
        images: `(n, height, width, 1 or 3)`, in [0, 255]; at most 50 are drawn.
        maps: `(n, map height, map width, maps)`; the first 32 are drawn.
        captions: under each image, such as what the network says of it.
        title: of the figure.
        right: whether each caption is right (green), wrong (orange) or unknown (None: black).

    Returns:
        The figure. One scale for all maps makes a dead one show as flat; one in 200 values may lie beyond it.
    """
    images, maps = images[:_MOST_IMAGES], maps[:_MOST_IMAGES, ..., :MOST_MAPS]
    count, shown = len(images), maps.shape[-1]
    marks = list(right) or [None] * count
    colours, low, high = _scale(maps)
    figure = new_figure(2.6 + 0.62 * shown, 0.9 + 0.78 * count)
    figure.suptitle(title, fontsize=10)
    # The captions' column is as wide as three maps.
    axes = figure.subplots(count, shown + 1, squeeze=False, width_ratios=[2.6, *[1] * shown])
    drawn: Any = None
    for row in range(count):
        _picture(axes[row, 0], images[row])
        axes[row, 0].set_anchor("E")
        colour = {None: "black", True: GREEN, False: VERMILION}[marks[row]]
        axes[row, 0].set_ylabel(captions[row], rotation=0, ha="right", va="center", fontsize=8, color=colour)
        for column in range(shown):
            one = axes[row, column + 1]
            drawn = one.imshow(maps[row, ..., column], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            bare(one)
            if row == 0:
                one.set_title(str(column + 1), fontsize=8, color=GREY)
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, location="right", shrink=min(1.0, 3 / count), label="activation", pad=0.01)
    return figure


def kernel_sheet(kernels: np.ndarray, *, title: str) -> Figure:
    """Draw the kernels of a first layer, in colour where they see three channels.

    Args:
        kernels: `(units, height, width, channels)`; the first 64 are drawn.
        title: of the figure.

    Returns:
        The figure. A weight of zero is grey in colour, and white otherwise; all kernels share one scale.
    """
    kernels = kernels[:MOST_KERNELS]
    limit = float(np.abs(kernels).max(initial=0)) or 1.0
    columns = math.ceil(math.sqrt(len(kernels) * 1.6))
    rows = math.ceil(len(kernels) / columns)
    figure = new_figure(max(5.0, 0.8 * columns + 1.2), 0.9 + 0.95 * rows)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False)
    drawn: Any = None
    for number, one in enumerate(axes.flat):
        bare(one)
        if number >= len(kernels):
            one.set_axis_off()
        elif kernels.shape[-1] == 3:
            one.imshow(0.5 + kernels[number] / (2 * limit), interpolation="nearest")
            one.set_title(str(number + 1), fontsize=8, color=GREY)
        else:
            mean = kernels[number].mean(axis=-1)
            drawn = one.imshow(mean, cmap="PuOr_r", vmin=-limit, vmax=limit, interpolation="nearest")
            one.set_title(str(number + 1), fontsize=8, color=GREY)
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, label="weight", shrink=0.8)
    return figure


def curves(history: Sequence[dict[str, float]], *, title: str, kept_epoch: int = 0) -> Figure:
    """Draw loss and accuracy on train and validation over the epochs.

    Args:
        history: a run's rows; accuracies may be missing, and validation's scores where it was trained on.
        title: of the figure.
        kept_epoch: the epoch whose weights were kept, marked where it is not 0.
    """
    from matplotlib.ticker import MaxNLocator

    scores = [name for name in ("loss", "accuracy") if f"train_{name}" in history[0]]
    figure = new_figure(4.6 * len(scores), 3.4)
    figure.suptitle(title, fontsize=10)
    epochs = [row["epoch"] for row in history]
    for axes, score in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
        for split, (colour, line, mark) in _SPLITS.items():
            if f"{split}_{score}" not in history[0]:
                continue
            values = [row[f"{split}_{score}"] for row in history]
            every = max(1, len(epochs) // 20)
            axes.plot(epochs, values, line, color=colour, marker=mark, markevery=every, markersize=4, label=split)
        if kept_epoch:
            axes.axvline(kept_epoch, color=GREY, linestyle=":", linewidth=1, label=f"kept: epoch {kept_epoch}")
        axes.set_xlabel("epoch")
        axes.set_ylabel(score)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        lined(axes)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def confusion_matrix(counts: np.ndarray, labels: Sequence[str], *, title: str) -> Figure:
    """Draw how often each class (row) was taken for each other (column), as a share of the row.

    Args:
        counts: `(classes, classes)`, whole numbers.
        labels: the classes' names.
        title: of the figure.

    Returns:
        The figure, with the counts written into the cells for at most 15 classes.
    """
    counts = np.asarray(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(labels)
    side = min(14.0, 2.6 + 0.46 * size)
    figure = new_figure(side + 1.0, side)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(size), labels, rotation=45 if max(map(len, labels)) > 2 else 0, ha="center", fontsize=8)
    axes.set_yticks(range(size), labels, fontsize=8)
    if max(map(len, labels)) > 2:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if size <= _MOST_COUNTED:
        for (i, j), count in np.ndenumerate(counts):
            axes.text(j, i, str(count), ha="center", va="center", fontsize=7, color=on_shade(shares[i, j]))
    figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def diagnostics(records: Sequence[dict[str, Any]], *, title: str) -> Figure:
    """Draw gradient norms, the spread of activations, and dead and saturated units of each layer over the epochs.

    Args:
        records: of `kact.training.diary.read_diary`.
        title: of the figure.
    """
    from matplotlib.ticker import MaxNLocator

    wanted = {
        "gradient_norm": "gradient norm",
        "activation_std": "standard deviation of activations",
        "dead": "share of dead units",
        "saturated": "share of saturated units",
    }
    figure = new_figure(10.5, 7)
    figure.suptitle(title, fontsize=10)
    for axes, (column, words) in zip(figure.subplots(2, 2).flat, wanted.items(), strict=True):
        layers = list(dict.fromkeys(one["layer"] for one in records if one[column] is not None))
        for number, layer in enumerate(layers):
            points = [(one["epoch"], one[column]) for one in records if one["layer"] == layer]
            axes.plot(*zip(*points, strict=True), label=layer, **_series(number, len(layers)))
        axes.set_xlabel("epoch (0: before training)")
        axes.set_ylabel(words)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column in ("dead", "saturated"):
            axes.set_ylim(-0.03, 1.03)
        else:
            axes.set_yscale("log")
        lined(axes)
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _scale(maps: np.ndarray) -> tuple[str, float, float]:
    """Return a colour map and its ends: from zero up, or both ways from zero where values are negative too."""
    finite = maps[np.isfinite(maps)]
    top = float(np.quantile(np.abs(finite), 0.995)) if finite.size else 0.0
    top = top or 1.0
    negative = finite.size and float(-finite.min()) > 0.05 * top
    return ("PuOr_r", -top, top) if negative else ("cividis", 0.0, top)


def _picture(axes: Axes, image: np.ndarray) -> None:
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if pixels.shape[-1] == 1:
        axes.imshow(pixels[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(pixels, interpolation="nearest")
    bare(axes)


def _series(number: int, count: int) -> dict[str, Any]:
    """Return how one of several ordered layers is drawn: from light to dark with depth, each with a mark of its own."""
    import matplotlib

    shade = matplotlib.colormaps["cividis"](0.85 * (1 - number / max(count - 1, 1)))
    return {"color": shade, "marker": MARKERS[number % len(MARKERS)], "markersize": 4, "linewidth": 1.3}
