"""Figures, drawn from results alone: each a Matplotlib figure of its own, without pyplot; no global setting changes.

`inside` draws one run; `scores`, `epochs` and `grids` draw a study. `style` says how all look, and writes them.

>>> figure = curves([{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.2}], title="a run")
>>> [axes.get_ylabel() for axes in figure.axes]
['loss']
"""

from kact.plots.inside import (
    MOST_KERNELS,
    MOST_MAPS,
    confusion_matrix,
    curves,
    diagnostics,
    feature_map_sheet,
    kernel_sheet,
)
from kact.plots.style import FORMATS, write

__all__ = [
    "FORMATS",
    "MOST_KERNELS",
    "MOST_MAPS",
    "confusion_matrix",
    "curves",
    "diagnostics",
    "feature_map_sheet",
    "kernel_sheet",
    "write",
]
