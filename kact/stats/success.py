"""How many runs came to anything: diverged and collapsed ones are results too, and are compared apart from the scores.

>>> found = success_rate([0.55, float("nan"), 0.1, 0.56], at_least=0.2)
>>> found.estimate, found.n
(0.5, 4)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from kact.stats.intervals import Estimate, scores, share_interval
from kact.stats.paired import different_lengths


@dataclass(frozen=True)
class SuccessComparison:
    """The success of two activations, paired by seed.

    Attributes:
        first, second: share of runs that succeeded, each with Wilson's interval.
        only_first, only_second: seeds on which this one alone succeeded; the others tell nothing of a difference.
        p: two-sided, of McNemar's exact test; NaN without a seed.
    """

    first: Estimate
    second: Estimate
    only_first: int
    only_second: int
    p: float


def success_rate(values: ArrayLike, *, at_least: float = -math.inf) -> Estimate:
    """Return the share of runs that succeeded, with Wilson's interval.

    Args:
        values: `(n,)`, a score a run; what is not finite is a run that diverged or failed.
        at_least: the score below which a run came to nothing, such as a little above chance.

    Example:
        >>> success_rate([0.9, 0.8]).estimate
        1.0
    """
    succeeded = _succeeded(scores(values), at_least)
    return share_interval(int(succeeded.sum()), len(succeeded))


def compare_success(first: ArrayLike, second: ArrayLike, *, at_least: float = -math.inf) -> SuccessComparison:
    """Compare the success of two activations seed by seed.

    Args:
        first, second: `(n,)`, scores of the same seeds in the same order.
        at_least: as for `success_rate`.

    Raises:
        KactError: for rows of different lengths.

    Source:
        Q. McNemar, 1947, https://doi.org/10.1007/BF02295996

    Example:
        >>> nan = float("nan")
        >>> compare_success([0.5] * 6, [nan] * 6).p
        0.03125
    """
    a, b = scores(first, "first"), scores(second, "second")
    if len(a) != len(b):
        raise different_lengths(len(a), len(b))
    won_a, won_b = _succeeded(a, at_least), _succeeded(b, at_least)
    only_a, only_b = int((won_a & ~won_b).sum()), int((won_b & ~won_a).sum())
    different = only_a + only_b
    p = math.nan if not len(a) else 1.0 if not different else float(stats.binomtest(only_a, different).pvalue)
    return SuccessComparison(success_rate(a, at_least=at_least), success_rate(b, at_least=at_least), only_a, only_b, p)


def _succeeded(values: np.ndarray, at_least: float) -> np.ndarray:
    return np.isfinite(values) & (values >= at_least)
