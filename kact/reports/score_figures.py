"""Figures of scores: bars with intervals, seconds, train against test loss, confusion, ranks over tasks, feature maps.

>>> from kact.reports.findings import findings
>>> from kact.reports.material import Material
>>> bars(findings(Material("none", (), {"activation": ()})))
[]
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np

from kact import stats
from kact.errors import KactError
from kact.plots.scores import PlottedMean
from kact.reports.epoch_figures import WHILE_LEARNING
from kact.reports.findings import Findings, Place
from kact.reports.illustration import Illustration, axis, told
from kact.reports.material import Cell
from kact.reports.numbers import field, in_words, listing, probability
from kact.reports.tables import published_number
from kact.wording import counted

MOST_BARS = 40
_LEAST_RANKED = 3


def estimate(found: Findings, place: Place, cell: Cell) -> PlottedMean | None:
    """Return a cell's mean, interval, runs and what was published, in the axis' unit; None without a run."""
    one, scale = place.summaries[cell.name], found.unit.scale
    if not one.n:
        return None
    low, high = one.interval or (math.nan, math.nan)
    published = published_number(found.material, cell, found.material.score)
    return PlottedMean(
        mean=scale * one.estimate,
        low=scale * low,
        high=scale * high,
        runs=tuple(scale * value for value in cell.scores(found.material.score).values()),
        published=None if published is None else scale * published,
    )


def bars(found: Findings) -> list[Illustration]:
    """Draw every cell's mean with its interval."""
    from kact import plots

    groups: dict[str, dict[str, PlottedMean]] = {}
    for place in found.places:
        kept = {name: estimate(found, place, place.cell(name)) for name in place.ranked}
        drawn = {name: one for name, one in kept.items() if one is not None}
        if drawn:
            groups[place.name] = drawn
    if not groups:
        return []
    x = axis(found)
    numbers = [
        (f"{name}{f' at {place}' * bool(place)}", f"{one.mean:.{found.decimals}f}")
        for place, cells in groups.items()
        for name, one in cells.items()
    ]
    published = any(one.published is not None for cells in groups.values() for one in cells.values())
    caption = (
        "Left: bars from zero. Right: the same close up; a mark is the mean over seeds, a line its 95 % interval, a"
        " short stroke one run" + (", a cross what was published." if published else ".")
    )
    alt = f"Means of {x}, the best first: {told(numbers)}."
    figure = plots.bars(groups, x=x, y=field(found.material.compare), order=found.material.names)
    return [Illustration("bars", "Scores with their intervals", caption, alt, figure)]


def seconds(found: Findings) -> list[Illustration]:
    """Draw training times by value, and by batch norm where it is a factor."""
    from kact import plots

    groups: dict[str, dict[str, list[float]]] = {}
    for place in found.places:
        for cell in place.cells:
            norm = cell.others.get("batch_norm")
            group = "" if norm is None else f"batch norm: {in_words(norm)}"
            if times := cell.seconds():
                groups.setdefault(group, {}).setdefault(cell.name, []).extend(times)
    if not groups:
        return []
    numbers = [
        (f"{name}{f' ({group})' * bool(group)}", f"{statistics.median(times):.1f} s")
        for group, cells in groups.items()
        for name, times in cells.items()
    ]
    caption = (
        "Training time of each run (dots), the median and quartiles (boxes). Runs that shared a machine with others"
        " took longer than they would alone."
    )
    alt = f"Box plot of training seconds. Medians: {told(numbers)}."
    return [Illustration("seconds", "Training time", caption, alt, plots.seconds(groups))]


def loss_scatter(found: Findings) -> list[Illustration]:
    """Draw each run's test loss over its train loss."""
    from kact import plots

    points: dict[str, list[tuple[float, float]]] = {}
    for place in found.places:
        for cell in place.cells:
            for row in cell.rows:
                train, test = row.score("train", "loss"), row.score("test", "loss")
                if train and test and min(train, test) > 0 and math.isfinite(train * test):
                    points.setdefault(cell.name, []).append((train, test))
    if not points:
        return []
    means = [
        (name, "{:.3g} on train and {:.3g} on test".format(*np.mean(pairs, axis=0))) for name, pairs in points.items()
    ]
    caption = (
        "A mark is a run. On the dotted line both losses are alike; further above it, a run overfits more."
        f"{WHILE_LEARNING}"
    )
    alt = f"Scatter of test loss over train loss. Mean losses: {told(means)}."
    figure = plots.loss_scatter(points, order=found.material.names)
    return [Illustration("loss_scatter", "Train against test loss", caption, alt, figure)]


def confusion(found: Findings) -> list[Illustration]:
    """Draw the confusion matrix of the cell with the best mean, its runs that know the same classes added up."""
    from kact import plots

    best = found.best_cell
    scores = [row.metrics["test"] for row in best.rows if row.metrics and row.metrics["test"]] if best else []
    scores = [one for one in scores if "confusion" in one]
    if best is None or not scores:
        return []
    labels = list(scores[0]["per_class"])
    alike = [one for one in scores if list(one["per_class"]) == labels]  # data of one's own may have changed
    counts = np.sum([one["confusion"] for one in alike], axis=0)
    wrong = counts - np.diag(np.diag(counts))
    name = best.title
    alt = f"Confusion matrix of {name}: {np.trace(counts):,} of {counts.sum():,} right"
    if wrong.any():
        true, taken = np.unravel_index(int(wrong.argmax()), wrong.shape)
        alt += f"; most often wrong is {labels[true]} taken for {labels[taken]} ({wrong.max():,} times)"
    left = f" {counted(len(scores) - len(alike), 'run')} of other classes left out." if len(alike) < len(scores) else ""
    caption = f"Test classes of {name}, of the best mean, {len(alike)} runs added up: counts in the cells.{left}"
    figure = plots.confusion_matrix(counts, labels, title="")
    return [Illustration("confusion", "What is taken for what", caption, f"{alt}.", figure)]


def critical_difference(found: Findings) -> list[Illustration]:
    """Draw mean ranks over tasks with what cannot be told apart."""
    from kact import plots

    names = list(dict.fromkeys(cell.name for place in found.places for cell in place.cells))
    if found.material.others != ["task"] or len(found.places) < 2 or len(names) < _LEAST_RANKED:
        return []
    table = [
        [place.summaries[name].estimate if name in place.summaries else math.nan for name in names]
        for place in found.places
    ]
    ranks = stats.friedman_nemenyi(table, names, higher_is_better=found.material.higher_is_better)
    if ranks.tasks < 2:
        return []
    mean = dict(zip(ranks.names, map(float, ranks.average_ranks), strict=True))
    numbers = [(name, f"{rank:.2f}") for name, rank in sorted(mean.items(), key=lambda one: one[1])]
    caption = (
        f"{ranks.method}; Friedman's p {_equals(ranks.p)}, critical difference {ranks.critical_difference:.2f} ranks."
        f" Few tasks tell little: two ranks nearer than that cannot be told apart."
    )
    figure = plots.critical_difference(mean, ranks.groups, tasks=ranks.tasks)
    alt = f"Mean ranks over {ranks.tasks} tasks, 1 is best: {told(numbers)}."
    return [Illustration("critical_difference", "Ranks over the tasks", caption, alt, figure)]


def feature_maps(found: Findings) -> list[Illustration]:
    """Show what `kact inspect` drew of the best cell and of the worst.

    Raises:
        KactError: if it drew none yet, with the command that does.
    """
    scored = [(place.summaries[cell.name].estimate, cell) for place in found.places for cell in place.cells]
    scored = [one for one in scored if math.isfinite(one[0])]
    if not scored:
        return []
    scored.sort(key=lambda one: one[0], reverse=found.material.higher_is_better)
    shown, missing = [], []
    for rank, (_, cell) in {"best": scored[0], "worst": scored[-1]}.items():
        folders = [folder for row in cell.rows if (folder := found.material.folder(row)) is not None]
        pictures = [one for folder in folders if (one := _drawn(folder)) is not None]
        name = cell.title
        if pictures:
            caption = f"The {rank} mean is that of {name}; one of its runs, each image with the network's prediction."
            alt = f"Feature maps of test images in a network with {name}."
            title = f"Feature maps: {name}"
            shown.append(Illustration(f"feature_maps_{rank}", title, caption, alt, None, picture=pictures[0]))
        elif folders:
            missing.append(f"kact inspect {folders[0]} --test 10")
    if missing and not shown:
        raise KactError("No feature maps were drawn yet.", f"Draw them: {listing(missing)}")
    return shown


def _equals(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"


def _drawn(folder: Path) -> Path | None:
    found = [folder / "figures" / f"feature-maps.{kind}" for kind in ("png", "svg")]
    return next((one for one in found if one.is_file()), None)
