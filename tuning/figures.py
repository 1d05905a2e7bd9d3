"""Figures of a search, from its records alone: scores, parallel coordinates, each hyper-parameter, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.plots import BLUE, GREEN, GREY, VERMILION, lined, new_figure
from tuning.records import Trial, rank
from tuning.space import Space
from tuning.values import Choice, Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_FOR_IMPORTANCE = 8  # finished trials; fewer say nothing of several hyper-parameters
_TREES, _REPEATS = 200, 20


def score_by_trial(trials: Sequence[Trial], monitor: str, default: float | None) -> Figure:
    """Draw each trial's validation score in the order of the trials, the best so far, and the default's.

    Args:
        trials: all; those without a score are marked at the bottom.
        monitor: "accuracy" or "loss".
        default: the default configuration's score, if it has one.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(6.4, 3.4)
    done = [(i, trial) for i, trial in enumerate(trials) if trial.status == "finished"]
    spread = [(i, getattr(one, monitor)) for i, trial in done if len(trial.executions) > 1 for one in trial.executions]
    if spread:
        places, each = zip(*spread, strict=True)
        axes.scatter(places, each, s=10, color=GREY, alpha=0.6, label="one execution")
    if done:
        numbers, scores = [i for i, _ in done], [trial.score(monitor) for _, trial in done]
        axes.scatter(numbers, scores, color=BLUE, zorder=3, label="trial")
        so_far = np.maximum.accumulate(scores) if monitor == "accuracy" else np.minimum.accumulate(scores)
        axes.step(numbers, so_far, where="post", color=BLUE, linewidth=1, label="best so far")
    if default is not None:
        axes.axhline(default, color=VERMILION, linestyle="--", linewidth=1.2, label="default configuration")
    lost = [i for i, trial in enumerate(trials) if trial.status != "finished"]
    if lost:
        low = axes.get_ylim()[0]
        axes.scatter(lost, [low] * len(lost), marker="x", color=VERMILION, label="failed or diverged", clip_on=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(f"validation {monitor}")
    axes.legend(frameon=False, fontsize=8)
    return figure


def parallel_coordinates(trials: Sequence[Trial], space: Space, monitor: str) -> Figure:
    """Draw each finished trial as a line through its settings to its score, coloured by the score, the best one last.

    Args:
        trials: any.
        space: what was searched.
        monitor: "accuracy" or "loss".
    """
    import matplotlib

    names = list(space.entries)
    figure, axes = _figure(1.6 * (len(names) + 1) + 1.2, 3.8)
    done = sorted((one for one in trials if one.status == "finished"), key=lambda one: rank(one, monitor), reverse=True)
    scores = [one.score(monitor) for one in done]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    for trial, score in zip(done, scores, strict=True):
        share = (score - low) / (high - low) if high > low else 0.5
        heights = [position(space.entries[name], trial.settings[name]) for name in names]
        shade = matplotlib.colormaps["cividis"](share if monitor == "accuracy" else 1 - share)
        axes.plot(range(len(names) + 1), [*heights, share], color=shade, linewidth=1.4, alpha=0.9)
    for column, name in enumerate(names):
        axes.axvline(column, color=GREY, linewidth=0.8)
        for value in _ticks(space.entries[name]):
            axes.annotate(_short(value), (column, position(space.entries[name], value)), fontsize=7, xytext=(3, 0),
                          textcoords="offset points", va="center")  # fmt: skip
    axes.axvline(len(names), color=GREY, linewidth=0.8)
    for share, value in ((0.0, low), (1.0, high)):
        axes.annotate(f"{value:.4f}", (len(names), share), fontsize=7, xytext=(3, 0), textcoords="offset points")
    axes.set_xticks(range(len(names) + 1), [*names, f"validation {monitor}"], fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(names) + 0.45)
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def scatter(trials: Sequence[Trial], space: Space, monitor: str) -> Figure:
    """Draw the score against each hyper-parameter, a panel each.

    Args:
        trials: any; the finished ones are drawn.
        space: what was searched.
        monitor: "accuracy" or "loss".
    """
    columns = min(3, len(space.entries))
    rows = -(-len(space.entries) // columns)
    figure = new_figure(3.1 * columns, 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    done = [trial for trial in trials if trial.status == "finished"]
    for axes in list(panels.flat)[len(space.entries) :]:
        axes.set_axis_off()
    for axes, (name, entry) in zip(panels.flat, space.entries.items(), strict=False):
        places = [position(entry, trial.settings[name]) for trial in done]
        axes.scatter(places, [trial.score(monitor) for trial in done], color=BLUE, s=18)
        ticks = _ticks(entry)
        axes.set_xticks([position(entry, value) for value in ticks], [_short(value) for value in ticks], fontsize=7)
        axes.set_xlabel(name)
        axes.set_xlim(-0.05, 1.05)
        lined(axes)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"validation {monitor}")
    return figure


def importance(trials: Sequence[Trial], space: Space, monitor: str) -> dict[str, float] | None:
    """Return how much of the score each hyper-parameter decides, as shares that add up to 1; None for too few trials.

    A random forest is fitted to the finished trials, and each hyper-parameter is shuffled to see how much worse it then
    predicts (permutation importance; Breiman 2001, https://doi.org/10.1023/A:1010933404324). It describes these trials,
    and not the network: with few of them it is a hint.
    """
    done = [trial for trial in trials if trial.status == "finished"]
    if len(done) < LEAST_FOR_IMPORTANCE:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = list(space.entries)
    inputs = np.array([[position(space.entries[name], trial.settings[name]) for name in names] for trial in done])
    scores = np.array([trial.score(monitor) for trial in done])
    if np.ptp(scores) == 0:
        return None
    forest = RandomForestRegressor(_TREES, random_state=0).fit(inputs, scores)
    found = permutation_importance(forest, inputs, scores, n_repeats=_REPEATS, random_state=0).importances_mean
    found = np.maximum(found, 0)
    return dict(zip(names, (found / found.sum()).tolist(), strict=True)) if found.sum() > 0 else None


def importance_bars(shares: Mapping[str, float]) -> Figure:
    """Draw the shares of `importance`."""
    figure, axes = _figure(5.2, 0.8 + 0.4 * len(shares))
    ordered = sorted(shares.items(), key=lambda one: one[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=GREEN)
    axes.set_xlabel("share of what is explained")
    axes.set_xlim(0, 1)
    return figure


def position(entry: Range | Choice, value: Any) -> float:
    """Return where a value lies between the ends of its hyper-parameter, in [0, 1]; a zero outside its range is 0.

    Example:
        >>> position(Range(1e-4, 1e-2, "log"), 1e-3), position(Choice(("relu", "mish")), "mish")
        (0.5, 1.0)
    """
    if isinstance(entry, Choice):
        return entry.values.index(value) / max(len(entry.values) - 1, 1)
    if entry.zero and value == 0:
        return 0.0
    room = 0.1 if entry.zero else 0.0  # so that zero and the lower end are told apart
    if entry.scale == "log":
        share = float(np.log(value / entry.low) / np.log(entry.high / entry.low))
    else:
        share = (value - entry.low) / (entry.high - entry.low)
    return room + (1 - room) * min(max(round(share, 9), 0.0), 1.0)


def _ticks(entry: Range | Choice) -> list[Any]:
    return entry.grid()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = new_figure(width, height)
    axes = figure.subplots()
    lined(axes)
    return figure, axes
