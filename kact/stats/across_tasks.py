"""Several tasks at once: the interquartile mean, and ranks with Friedman's test and Nemenyi's critical difference.

>>> table = np.array([[0.91, 0.90, 0.85], [0.80, 0.75, 0.70], [0.99, 0.98, 0.97], [0.62, 0.60, 0.61]])
>>> ranks = friedman_nemenyi(table, ["mish", "relu", "sigmoid"])
>>> ranks.average_ranks.tolist(), round(ranks.critical_difference, 2)
([1.0, 2.25, 2.75], 1.66)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kact.errors import KactError
from kact.stats.intervals import CONFIDENCE, RESAMPLES, Estimate, no_spread
from kact.stats.paired import ALPHA
from kact.wording import counted

_MOST_AT_ONCE = 2_000_000  # numbers that one batch of resamples holds


@dataclass(frozen=True)
class Ranks:
    """Methods ranked on several tasks.

    Attributes:
        names: of the methods.
        average_ranks: `(methods,)`; 1 is best.
        p: of Friedman's test in Iman and Davenport's form, that all methods rank alike; NaN for fewer than two tasks.
        critical_difference: Nemenyi's: two average ranks nearer than this cannot be told apart; NaN as above.
        pairwise_p: `(methods, methods)`, Nemenyi's p-values, corrected for being many; NaN as above.
        groups: names that cannot be told apart from each other, best first, for the bars of the diagram; a name may be
            in several, one that stands alone is in none.
        tasks: how many the ranks stand on.
        left_out: tasks without a finite score of every method, which cannot be ranked.
        method: in words.
    """

    names: tuple[str, ...]
    average_ranks: np.ndarray
    p: float
    critical_difference: float
    pairwise_p: np.ndarray
    groups: tuple[tuple[str, ...], ...]
    tasks: int
    left_out: int
    method: str


def interquartile_mean(values: ArrayLike, generator: np.random.Generator) -> Estimate:
    """Return the mean of the middle half of all runs of all tasks, with a stratified bootstrap interval.

    Neither one failed task nor one easy one moves it much. Runs are drawn again within each task, so the interval is of
    other seeds on these tasks, not of other tasks. With 5 or 10 runs a task it is a little too narrow
    (`benchmarks/statistics.py`: it holds the truth in 91 to 94 of 100).

    Args:
        values: `(tasks, n)`, scores on a scale that means the same for each task; NaN where there is no run.
        generator: draws the resamples.

    Returns:
        The estimate with its percentile interval; none where no task has two runs that differ.

    Raises:
        KactError: if it is not a matrix.

    Source:
        R. Agarwal et al., Deep RL at the edge of the statistical precipice, 2021, https://arxiv.org/abs/2108.13264

    Example:
        >>> found = interquartile_mean([[0.1, 0.2, 0.3], [0.7, 0.8, 0.9]], np.random.default_rng(0))
        >>> round(found.estimate, 2), found.n
        (0.5, 2)
    """
    table = _matrix(values)
    tasks = [row[np.isfinite(row)] for row in table]
    tasks = [row for row in tasks if len(row)]
    if not tasks:
        return Estimate(math.nan, None, 0, "no value: nothing can be told")
    estimate = float(stats.trim_mean(np.concatenate(tasks), 0.25))
    if max(map(len, tasks)) < 2:
        return Estimate(estimate, None, len(tasks), "one run a task: no interval can be told")
    if all(map(no_spread, tasks)):
        return Estimate(estimate, None, len(tasks), "all runs of a task alike: their spread cannot be told from them")
    size = sum(map(len, tasks))
    drawn = []
    for batch in _batches(RESAMPLES, max(1, _MOST_AT_ONCE // size)):
        again = [row[generator.integers(0, len(row), (batch, len(row)))] for row in tasks]
        drawn.append(stats.trim_mean(np.concatenate(again, axis=1), 0.25, axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    method = f"interquartile mean of {len(tasks)} tasks, stratified percentile bootstrap, {RESAMPLES:,} resamples"
    return Estimate(estimate, (float(low), float(high)), len(tasks), method)


def friedman_nemenyi(
    values: ArrayLike, names: Sequence[str], *, higher_is_better: bool = True, alpha: float = ALPHA
) -> Ranks:
    """Rank methods on each task, and say which average ranks can be told apart.

    Args:
        values: `(tasks, methods)`, one score each, such as the mean over seeds; a task that lacks one is left out.
        names: of the methods, at least three.
        higher_is_better: False for a loss or a time.
        alpha: the share of false positives; the critical difference goes with it.

    Raises:
        KactError: for fewer than three methods, or names that do not fit.

    Source:
        J. Demšar, Statistical comparisons of classifiers over multiple data sets, 2006,
        https://jmlr.org/papers/v7/demsar06a.html
    """
    table, methods = _matrix(values), tuple(names)
    if len(methods) < 3:
        raise KactError.parameter("names", methods, "three methods or more", next_step="Compare two with `paired`.")
    if table.shape[1] != len(methods):
        raise KactError.parameter("names", methods, f"as many as the scores have columns, {table.shape[1]}")
    whole = table[np.isfinite(table).all(axis=1)]
    tasks, count = whole.shape
    left_out = len(table) - tasks
    ranks = stats.rankdata(-whole if higher_is_better else whole, axis=1)
    average = ranks.mean(axis=0) if tasks else np.full(count, np.nan)
    if tasks < 2:
        nothing = np.full((count, count), np.nan)
        said = f"{counted(tasks, 'task')}: nothing can be told across tasks"
        return Ranks(methods, average, math.nan, math.nan, nothing, (), tasks, left_out, said)
    error = math.sqrt(count * (count + 1) / (12 * tasks))  # of an average rank, where all are alike
    difference = float(stats.studentized_range.ppf(1 - alpha, count, np.inf) * error)
    apart = np.abs(average[:, None] - average) / error  # (methods, methods)
    return Ranks(
        names=methods,
        average_ranks=average,
        p=_iman_davenport(ranks),
        critical_difference=difference,
        pairwise_p=stats.studentized_range.sf(apart, count, np.inf),
        groups=_groups(methods, average, difference),
        tasks=tasks,
        left_out=left_out,
        method=f"Friedman's test (Iman and Davenport's F) and Nemenyi's at {alpha:g}, {tasks} tasks, {count} methods",
    )


def _iman_davenport(ranks: np.ndarray) -> float:
    tasks, count = ranks.shape
    if (ranks == ranks[0, 0]).all():
        return 1.0  # everything is tied on every task
    chi_square = float(stats.friedmanchisquare(*ranks.T).statistic)
    rest = tasks * (count - 1) - chi_square
    if rest <= 1e-9:
        return 0.0  # every task ranks alike: F is beyond all bounds
    statistic = (tasks - 1) * chi_square / rest
    return float(stats.f.sf(statistic, count - 1, (count - 1) * (tasks - 1)))


def _groups(names: Sequence[str], average: np.ndarray, difference: float) -> tuple[tuple[str, ...], ...]:
    """Return the longest runs of neighbours, by rank, whose ends are nearer than the critical difference."""
    order = np.argsort(average, kind="stable")
    found: list[tuple[str, ...]] = []
    reached = 0
    for begin in range(len(order)):
        end = begin
        while end + 1 < len(order) and average[order[end + 1]] - average[order[begin]] < difference:
            end += 1
        if end > begin and end > reached:
            found.append(tuple(names[index] for index in order[begin : end + 1]))
            reached = end
    return tuple(found)


def _matrix(values: ArrayLike) -> np.ndarray:
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise KactError.parameter(
            "values", values, "a matrix of numbers, a row a task, NaN where there is none"
        ) from None
    if table.ndim != 2:
        raise KactError.parameter("values", f"an array of shape {table.shape}", "a matrix, a row a task")
    return table


def _batches(total: int, most: int) -> list[int]:
    return [min(most, total - begun) for begun in range(0, total, most)]
