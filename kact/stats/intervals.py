"""Means and shares with their 95 % intervals, and how many runs stand behind them.

Student's t is the default for means, and the bootstrap-t (P. Hall, https://doi.org/10.1214/aos/1176350933) is there for
runs that are very skewed: `benchmarks/statistics.py` measures how often each covers the truth. The bias-corrected and
accelerated bootstrap (BCa; B. Efron, https://doi.org/10.1080/01621459.1987.10478410) can be asked for too, but is too
narrow for ten runs.

>>> found = summary([0.91, 0.93, 0.92, float("nan")])
>>> round(found.estimate, 3), found.n, found.failures
(0.92, 3, 1)
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from kact.errors import KactError

INTERVALS = ("t", "bootstrap_t", "bca")
CONFIDENCE = 0.95
RESAMPLES = 9_999
_WORDS = {"bca": "BCa bootstrap", "bootstrap_t": "bootstrap-t"}
_LEAST_TO_RESAMPLE = 5  # fewer give resamples of one value over and over
_ROUNDING = 1e-9  # of the largest value: what differs by less is alike


@dataclass(frozen=True)
class Estimate:
    """A number, how sure it is, and where that comes from.

    Attributes:
        estimate: the number; NaN where nothing can be told.
        interval: (low, high), 95 %; None where none can be told.
        n: how many runs, pairs of runs or tasks it stands on.
        method: how the interval was found, or why there is none, in words.
    """

    estimate: float
    interval: tuple[float, float] | None
    n: int
    method: str


@dataclass(frozen=True)
class Summary(Estimate):
    """What the runs of one cell came to; `estimate` is their mean.

    Attributes:
        sd: standard deviation between runs (divisor n - 1); NaN for fewer than two, 0 where all are alike.
        failures: runs without a finite score: failed, diverged or not there.
    """

    sd: float
    failures: int


def summary(values: ArrayLike, *, method: str = "t", generator: np.random.Generator | None = None) -> Summary:
    """Sum up the scores of one cell.

    Args:
        values: `(n,)`, a score a run; what is not finite counts as a failure and is left out of mean and interval.
        method: of the interval, one of `INTERVALS`.
        generator: for the two bootstraps.

    Returns:
        Mean, standard deviation, interval, n and failures.

    Raises:
        KactError: for another method, a bootstrap without a generator, or values that are not one row of numbers.

    Example:
        >>> summary([0.9]).method
        'one value: no interval can be told'
    """
    given = scores(values)
    kept = given[np.isfinite(given)]
    mean = mean_interval(kept, method=method, generator=generator)
    return Summary(mean.estimate, mean.interval, mean.n, mean.method, spread(kept), len(given) - len(kept))


def mean_interval(values: ArrayLike, *, method: str = "t", generator: np.random.Generator | None = None) -> Estimate:
    """Return the mean of values with its 95 % interval.

    Args:
        values: `(n,)`, finite.
        method: one of `INTERVALS`. Where a bootstrap cannot be had, for fewer than 5 values or hardly any that differ,
            it is t, and says so.
        generator: for the two bootstraps.

    Raises:
        KactError: as `summary`.

    Example:
        >>> found = mean_interval([1.0, 2.0, 3.0])
        >>> found.interval[0] < 0 < found.estimate == 2.0
        True
    """
    if method not in INTERVALS:
        raise KactError.parameter("method", method, "one of", choices=INTERVALS)
    if method != "t" and generator is None:
        raise KactError(f"{method!r} intervals are drawn at random.", "Give a generator: numpy.random.default_rng(0).")
    kept = scores(values)
    n = len(kept)
    if n == 0:
        return Estimate(math.nan, None, 0, "no value: nothing can be told")
    mean = float(kept.mean())
    if n == 1:
        return Estimate(mean, None, 1, "one value: no interval can be told")
    if no_spread(kept):
        return Estimate(mean, None, n, "all values alike: their spread cannot be told from them")
    if generator is not None and method != "t" and n >= _LEAST_TO_RESAMPLE:
        low, high = {"bca": _bca, "bootstrap_t": _bootstrap_t}[method](kept, generator)
        if math.isfinite(low) and math.isfinite(high):
            return Estimate(mean, (low, high), n, f"{_WORDS[method]}, {RESAMPLES:,} resamples")
    half = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2) * spread(kept) / math.sqrt(n))
    return Estimate(
        mean,
        (mean - half, mean + half),
        n,
        "Student's t" + (f"; {_WORDS[method]} cannot be had" if method != "t" else ""),
    )


def no_spread(values: np.ndarray) -> bool:
    """Return whether values `(n,)`, at least one, are alike but for rounding, so that their spread cannot be told.

    Example:
        >>> no_spread(np.array([0.3, 0.1 + 0.2])), no_spread(np.array([0.3, 0.3001]))
        (True, False)
    """
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def spread(values: np.ndarray) -> float:
    """Return the standard deviation (divisor n - 1) of values `(n,)`: NaN for fewer than two, 0 where all are alike.

    Example:
        >>> spread(np.array([1.0, 2.0, 3.0])), spread(np.array([0.3, 0.1 + 0.2]))
        (1.0, 0.0)
    """
    if len(values) < 2:
        return math.nan
    return 0.0 if no_spread(values) else float(values.std(ddof=1))


def share_interval(successes: float, n: int) -> Estimate:
    """Return a share with Wilson's 95 % score interval, which holds for few runs and for shares of 0 and 1.

    Args:
        successes: how many of the n; a half for a tie.
        n: at least 0.

    Source:
        E. B. Wilson, Probable inference, 1927, https://doi.org/10.1080/01621459.1927.10502953

    Example:
        >>> found = share_interval(6, 6)
        >>> found.estimate, round(found.interval[0], 2), found.interval[1]
        (1.0, 0.61, 1.0)
    """
    if n == 0:
        return Estimate(math.nan, None, 0, "no value: nothing can be told")
    share = successes / n
    z = float(special.ndtri(0.5 + CONFIDENCE / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the formula gives exactly 0 and 1, which rounding may miss.
    low, high = (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
    return Estimate(share, (low, high), n, "Wilson's score interval")


def binomial_standard_error(share: float, examples: int) -> float:
    """Return how far a share of right answers strays by the choice of test examples alone, one standard error.

    Args:
        share: of right (or wrong) answers, in [0, 1].
        examples: of the test set, at least 1, each independent of the others: of words, which those of one sentence
            are not, this is the least that it is.

    Example:
        >>> round(binomial_standard_error(0.1257, 7152), 4)
        0.0039
    """
    if not 0 <= share <= 1:
        raise KactError.parameter("share", share, "a number in [0, 1]")
    if examples < 1:
        raise KactError.parameter("examples", examples, "at least 1")
    return math.sqrt(share * (1 - share) / examples)


def scores(values: ArrayLike, argument: str = "values") -> np.ndarray:
    """Return values as one row of floats, `(n,)`.

    Raises:
        KactError: if they are not that.
    """
    try:
        row = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise KactError.parameter(argument, values, "one row of numbers, NaN where there is none") from None
    if row.ndim != 1:
        raise KactError.parameter(argument, f"an array of shape {row.shape}", "one row of numbers")
    return row


def _bootstrap_t(values: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """Return the interval whose t quantiles are those of the resamples, infinite where too many have no spread."""
    n, mean = len(values), values.mean()
    drawn = values[generator.integers(0, n, (RESAMPLES, n))]  # (resamples, n)
    error = values.std(ddof=1) / math.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (drawn.mean(axis=1) - mean) / (drawn.std(axis=1, ddof=1) / math.sqrt(n))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.where(np.isnan(t), 0.0, t), [tail, 1 - tail], method="nearest")
    return float(mean - high * error), float(mean - low * error)


def _bca(values: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # the answer is then NaN, and t is taken
        found = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=generator,
        ).confidence_interval
    return float(found.low), float(found.high)
