"""Figures of a finished run: what its network makes of images, its kernels, curves, confusion and diagnostics.

>>> FIGURES
('feature-maps', 'kernels', 'curves', 'confusion', 'diagnostics')
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError
from kact.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("feature-maps", "kernels", "curves", "confusion", "diagnostics")


def draw(
    run: Run,
    what: str,
    *,
    images: Sequence[str | Path] = (),
    test: int = 0,
    layer: str | None = None,
    out: str | Path | None = None,
    kind: str = "png",
) -> Path:
    """Draw one figure of a run and return the file that holds it.

    Args:
        run: finished.
        what: one of `FIGURES`.
        images: for "feature-maps": image files.
        test: for "feature-maps": how many of the first test images to add.
        layer: for "feature-maps": the layer to look at; the activation behind the last convolution if None.
        out: the file, ending in .png or .svg; `RUN/figures/WHAT.KIND` if None.
        kind: "png" or "svg", where `out` is None.

    Raises:
        KactError: if the run or an image is unusable for it, or the file cannot be written.
    """
    from kact import plots

    path = plots.figure_path(out, run.path / "figures", what, kind)
    makers = {
        "feature-maps": lambda: _feature_maps(run, images, test, layer),
        "kernels": lambda: _kernels(run),
        "curves": lambda: _curves(run),
        "confusion": lambda: _confusion(run),
        "diagnostics": lambda: _diagnostics(run),
    }
    return plots.write(makers[what](), path)


def _feature_maps(run: Run, paths: Sequence[str | Path], test: int, layer: str | None) -> Figure:
    from kact import plots
    from kact.diagnostics.feature_maps import feature_maps, last_maps
    from kact.losses import probabilities
    from kact.predict import Predictor

    if not paths and test < 1:
        raise KactError("There is no image to look at.", "Give files after --feature-maps, or a number after --test.")
    predictor = Predictor(run)
    if predictor.task.input != "image":
        raise KactError(
            f"The run in '{run.path}' tags words: it has no feature maps.",
            "Ask for --curves or --confusion, or name the run of a network for images.",
        )
    labels = predictor.task.labels
    seen = [predictor.prepare(path) for path in paths]
    truths: list[str | None] = [None] * len(seen)
    if test > 0:
        of_test, labels_of_test = predictor.test_images(test)
        seen += list(of_test)
        truths += labels_of_test
    stored = np.stack(seen)  # (n, height, width, channels)
    name = layer or last_maps(predictor.model)
    maps = feature_maps(predictor.model, stored, name)
    if maps.ndim != 4:
        raise KactError(
            f"The layer {name!r} has no maps: its outputs are {_sides(maps.shape[1:])}.",
            "Choose a convolution, its activation or its pooling; `kact inspect RUN` lists the layers.",
        )
    rows = probabilities(predictor.outputs_of(stored), run.experiment.loss)
    captions, right = [], []
    for row, truth in zip(rows, truths, strict=True):
        best = int(row.argmax())
        captions.append(f"{labels[best]} {row[best]:.2f}" + (f"\ntruth: {truth}" if truth is not None else ""))
        right.append(None if truth is None else labels[best] == truth)
    note = "  (green: right, orange: wrong)" if test > 0 else ""
    title = (
        f"{_name(run)}\n{name}: {maps.shape[-1]} maps of {_sides(maps.shape[1:3])}, prediction beside each image{note}"
    )
    return plots.feature_map_sheet(stored, maps, captions, title=title, right=right)


def _kernels(run: Run) -> Figure:
    from kact import plots
    from kact.diagnostics.feature_maps import first_kernels
    from kact.predict import Predictor

    kernels = first_kernels(Predictor(run).model)
    count, *size = kernels.shape
    zero = "grey" if size[-1] == 3 else "white"
    some = _some(count, plots.MOST_KERNELS)
    title = f"{_name(run)}\nthe first layer's weights: {some} units that see {_sides(size)}; zero is {zero}"
    return plots.kernel_sheet(kernels, title=title)


def _curves(run: Run) -> Figure:
    from kact import plots

    return plots.curves(run.history, title=_name(run), kept_epoch=run.metrics["kept_epoch"])


def _confusion(run: Run) -> Figure:
    from kact import plots

    scores: dict[str, Any] | None = run.metrics["test"]
    if scores is None:
        raise KactError(
            f"The run in '{run.path}' diverged before it had scores, so there is no confusion to draw.",
            "Ask for --curves, or train it with a smaller --learning-rate.",
        )
    title = f"{_name(run)}\ntest: accuracy {scores['accuracy']:.4f} on {scores['examples']:,} examples"
    return plots.confusion_matrix(np.asarray(scores["confusion"]), list(scores["per_class"]), title=title)


def _diagnostics(run: Run) -> Figure:
    from kact import plots
    from kact.training import diary

    return plots.diagnostics(diary.read_diary(run.file("diagnostics.csv")), title=_name(run))


def _name(run: Run) -> str:
    one = run.experiment
    return f"{one.model.name} with {one.activation} on {one.task}, seed {one.seed}"


def _some(count: int, most: int) -> str:
    return str(count) if count <= most else f"the first {most} of {count}"


def _sides(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
