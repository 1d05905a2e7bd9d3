"""Figures, drawn from data and results alone: each Matplotlib's, without pyplot; no global setting changes.

`data` draws a task, `inside` one run; `scores`, `epochs` and `grids` draw a study. `style` says how all look, and
writes them; a figure of one's own looks like them by `new_figure`, `lined` and the colours.

>>> figure = curves([{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.2}], title="a run")
>>> [axes.get_ylabel() for axes in figure.axes]
['loss']
"""

from kact.plots.data import count_sheet, sample_sheet
from kact.plots.epochs import Band, by_split, learning_curves
from kact.plots.grids import heat_maps, sensitivity
from kact.plots.inside import (
    MOST_KERNELS,
    MOST_MAPS,
    confusion_matrix,
    curves,
    diagnostics,
    feature_map_sheet,
    kernel_sheet,
)
from kact.plots.scores import PlottedMean, bars, critical_difference, loss_scatter, seconds
from kact.plots.style import BLUE, FORMATS, GREEN, GREY, VERMILION, figure_path, lined, new_figure, write

__all__ = [
    "BLUE",
    "FORMATS",
    "GREEN",
    "GREY",
    "MOST_KERNELS",
    "MOST_MAPS",
    "VERMILION",
    "Band",
    "PlottedMean",
    "bars",
    "by_split",
    "confusion_matrix",
    "count_sheet",
    "critical_difference",
    "curves",
    "diagnostics",
    "feature_map_sheet",
    "figure_path",
    "heat_maps",
    "kernel_sheet",
    "learning_curves",
    "lined",
    "loss_scatter",
    "new_figure",
    "sample_sheet",
    "seconds",
    "sensitivity",
    "write",
]
