"""How many paired seeds a difference needs to be seen, and which difference a number of seeds can show.

The normal model of the paired t-test: its power is a tail of the noncentral t distribution. An observed difference is
no input here, as power at the observed difference only says the p-value again (Hoenig and Heisey 2001,
https://doi.org/10.1198/000313001300339897); the difference to detect is one that the reader would care for.

>>> seeds_needed([0.01, -0.01, 0.012, -0.008, 0.002, 0.004], detect=0.01).seeds
9
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from kact.errors import KactError
from kact.stats.intervals import CONFIDENCE, no_spread, scores, spread
from kact.stats.paired import ALPHA, seeds_for_sign_flip

POWER = 0.8
_MOST_SEEDS = 1_000_000


@dataclass(frozen=True)
class SeedsNeeded:
    """How many paired seeds would show a difference, if the spread stays what it was.

    Attributes:
        seeds: for the paired t-test; None where the spread cannot be told, or it is above a million.
        interval: the same at both ends of the spread's own 95 % interval, which is wide for few seeds; None as above,
            and its upper end is None where that is above a million.
        for_sign_flip: the least with which the sign-flip test can detect anything at all.
        detect: the difference asked for.
        sd: standard deviation of the differences that it stands on.
        n: how many of them.
        method: in words.
    """

    seeds: int | None
    interval: tuple[int, int | None] | None
    for_sign_flip: int
    detect: float
    sd: float
    n: int
    method: str


def seeds_needed(
    differences: ArrayLike, detect: float, *, power: float = POWER, alpha: float = ALPHA, comparisons: int = 1
) -> SeedsNeeded:
    """Return how many paired seeds are needed to detect a difference.

    Args:
        differences: `(n,)`, of the scores of two activations by seed; what is not finite is left out.
        detect: the true mean difference that should be found, in the score's unit, not 0.
        power: the chance of finding it, in (0, 1).
        alpha: the share of false positives, in (0, 1).
        comparisons: how many are made side by side: alpha is divided by it, the worst that Holm can ask for.

    Raises:
        KactError: for a value out of range.

    Example:
        >>> seeds_needed([0.02], detect=0.01).method
        'one difference: its spread cannot be told'
    """
    if not math.isfinite(detect) or detect == 0:
        raise KactError.parameter("detect", detect, "a difference other than 0")
    _check(power, alpha, comparisons)
    row = scores(differences, "differences")
    row = row[np.isfinite(row)]
    n, least = len(row), seeds_for_sign_flip(comparisons, alpha)
    if n < 2 or no_spread(row):
        few = "no difference" if n == 0 else "one difference" if n == 1 else "all differences alike"
        return SeedsNeeded(None, None, least, detect, math.nan, n, f"{few}: its spread cannot be told")
    sd = spread(row)
    tail = (1 - CONFIDENCE) / 2
    low, high = (sd * math.sqrt((n - 1) / stats.chi2.ppf(share, n - 1)) for share in (1 - tail, tail))
    counts = [_least_seeds(abs(detect) / one, power, alpha / comparisons) for one in (sd, low, high)]
    method = f"paired t-test, power {power:.0%}, alpha {alpha:g}" + (
        f" over {comparisons} comparisons" if comparisons > 1 else ""
    )
    interval = None if counts[1] is None else (counts[1], counts[2])
    return SeedsNeeded(counts[0], interval, least, detect, sd, n, method)


def detectable_difference(
    sd: float, n: int, *, power: float = POWER, alpha: float = ALPHA, comparisons: int = 1
) -> float:
    """Return the true difference that n paired seeds would detect with the given power; NaN where n < 2 or sd is 0.

    Args:
        sd: standard deviation of the differences within a seed.
        n: paired seeds.
        power, alpha, comparisons: as for `seeds_needed`.

    Example:
        >>> round(detectable_difference(sd=0.01, n=6), 4)
        0.0143
    """
    _check(power, alpha, comparisons)
    if n < 2 or not math.isfinite(sd) or sd <= 0:
        return math.nan
    return _detectable_effect(n, power, alpha / comparisons) * sd


@functools.lru_cache(maxsize=256)
def _detectable_effect(n: int, power: float, alpha: float) -> float:
    top = 1.0
    while t_power(top, n, alpha) < power:
        top *= 2
    return float(optimize.brentq(lambda effect: t_power(effect, n, alpha) - power, 0.0, top))


def t_power(effect: float, n: int, alpha: float = ALPHA) -> float:
    """Return the chance that a two-sided paired t-test finds an effect.

    Args:
        effect: true mean difference over its standard deviation.
        n: pairs, at least 2.
        alpha: level of the test.

    Example:
        >>> round(t_power(0.5, 34), 3)
        0.808
    """
    critical, away = stats.t.ppf(1 - alpha / 2, n - 1), effect * math.sqrt(n)
    beyond = critical * _spreads(n - 1)
    return float(np.mean(special.ndtr(away - beyond) + special.ndtr(-beyond - away)))


@functools.lru_cache(maxsize=64)
def _spreads(freedom: int) -> np.ndarray:
    """Return the sample's standard deviation over the true one at evenly spaced probabilities, `(4000,)`.

    The mean over them is the noncentral t's tail, which `scipy.stats.nct` gives as NaN far out with few pairs.
    """
    return np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom) / freedom)


def _least_seeds(effect: float, power: float, alpha: float) -> int | None:
    high = 2
    while t_power(effect, high, alpha) < power:
        high *= 2
        if high > _MOST_SEEDS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if t_power(effect, middle, alpha) >= power else (middle, high)
    return high


def _check(power: float, alpha: float, comparisons: int) -> None:
    for name, value in (("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise KactError.parameter(name, value, "a number between 0 and 1")
    if alpha >= power:
        raise KactError.parameter("power", power, f"above alpha, which is {alpha:g}")
    if comparisons < 1:
        raise KactError.parameter("comparisons", comparisons, "at least 1")
