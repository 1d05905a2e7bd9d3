"""Two activations, paired by seed: the difference with its interval, a p-value, and how often the one is ahead.

Runs of one seed share the order of their examples and the seed of their initial weights, so a difference within a seed
is free of what all runs of that seed have in common.

>>> found = paired([0.93, 0.92, 0.94, 0.95, 0.93, 0.94], [0.9, 0.9, 0.93, 0.92, 0.91, 0.9], np.random.default_rng(0))
>>> found.n, found.p, found.improvement.estimate
(6, 0.03125, 1.0)
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from kact.errors import KactError
from kact.stats.intervals import Estimate, mean_interval, no_spread, scores, share_interval, spread

TESTS = ("auto", "sign_flip", "t")
TEST_WORDS = {"sign_flip": "sign-flip test", "t": "paired t-test", "none": "no test"}
ALPHA = 0.05
MOST_EXACT = 16  # pairs: beyond, 2^n sign patterns are too many and some of them are drawn
DRAWS, MOST_DRAWS = 9_999, 10_000_000  # patterns of signs: for few comparisons, and for any number of them
_ENOUGH = 10  # drawn patterns as extreme as the observed one, of which a p-value can be told


@dataclass(frozen=True)
class Paired:
    """Two rows of scores compared seed by seed.

    Attributes:
        difference: mean of first minus second over the seeds that both have, and its 95 % interval.
        sd: standard deviation of the differences; NaN for fewer than two, 0 where all are alike.
        improvement: P(first > second) on the same seed, ties counted half, with Wilson's interval.
        p: two-sided p-value of `test`; NaN where nothing can be tested.
        test: "sign_flip", "t", or "none" where there are fewer than two pairs.
        sign_flip_p: of the sign-flip permutation test of the mean.
        smallest_p: the least that the sign-flip test can give with these many differences that are not zero.
        t_p: of the paired t-test; NaN where all differences are alike.
        n: seeds that both have.
        only_first, only_second: seeds of which only this one has a finite score.
        neither: seeds of which none has.
    """

    difference: Estimate
    sd: float
    improvement: Estimate
    p: float
    test: str
    sign_flip_p: float
    smallest_p: float
    t_p: float
    n: int
    only_first: int
    only_second: int
    neither: int


def paired(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    test: str = "auto",
    method: str = "t",
    comparisons: int = 1,
    alpha: float = ALPHA,
) -> Paired:
    """Compare two rows of scores seed by seed.

    Args:
        first: `(n,)`, a score a seed; what is not finite is a run that failed, diverged or is not there.
        second: `(n,)`, of the same seeds in the same order.
        generator: for sampled sign flips (more than 16 pairs) and both bootstraps.
        test: "sign_flip", "t", or "auto": the sign-flip test where its smallest p is at most `alpha` / `comparisons`,
            and the paired t-test where it is not. The number of pairs decides, never the scores.
        method: of the difference's interval, one of `kact.stats.INTERVALS`.
        comparisons: how many are made side by side.
        alpha: the share of false positives among them that is put up with.

    Raises:
        KactError: for rows of different lengths, or another test or method.

    Example:
        >>> paired([0.9], [0.8], np.random.default_rng(0)).difference.method
        'one value: no interval can be told'
    """
    if test not in TESTS:
        raise KactError.parameter("test", test, "one of", choices=TESTS)
    a, b = scores(first, "first"), scores(second, "second")
    if len(a) != len(b):
        raise different_lengths(len(a), len(b))
    has_a, has_b = np.isfinite(a), np.isfinite(b)
    differences = a[has_a & has_b] - b[has_a & has_b]
    n = len(differences)
    ahead = float((differences > 0).sum() + 0.5 * (differences == 0).sum())
    draws = draws_for(comparisons, alpha)
    flipped = sign_flip(differences, generator, draws=draws)
    t_p = paired_t(differences)
    chosen = chosen_test(n, comparisons, alpha) if test == "auto" else test
    if chosen == "t" and not math.isfinite(t_p):
        chosen = "sign_flip"
    if n < 2:
        chosen = "none"
    return Paired(
        difference=mean_interval(differences, method=method, generator=generator),
        sd=spread(differences),
        improvement=share_interval(ahead, n),
        p={"sign_flip": flipped, "t": t_p, "none": math.nan}[chosen],
        test=chosen,
        sign_flip_p=flipped,
        smallest_p=smallest_sign_flip_p(int(np.count_nonzero(differences)), draws=draws),
        t_p=t_p,
        n=n,
        only_first=int((has_a & ~has_b).sum()),
        only_second=int((has_b & ~has_a).sum()),
        neither=int((~has_a & ~has_b).sum()),
    )


def different_lengths(first: int, second: int) -> KactError:
    """Return the error for two rows of scores that cannot be paired."""
    return KactError(
        f"The two rows have {first} and {second} scores, and are compared seed by seed.",
        "Give one score a seed, NaN where there is none (`aligned` does so).",
    )


def sign_flip(differences: ArrayLike, generator: np.random.Generator, *, draws: int = DRAWS) -> float:
    """Return the two-sided p-value of the sign-flip permutation test of the mean.

    If neither is better, each difference is as likely to have had the other sign. All 2^n patterns of signs are gone
    through for at most 16 differences. Beyond, some are drawn, 9,999 at a time until ten of them are as extreme as the
    observed one, which is counted with them.

    Args:
        differences: `(n,)`, finite.
        generator: draws the patterns where they are drawn.
        draws: the most that are drawn, of `draws_for` where the test is one of many.

    Returns:
        A p-value in (0, 1]; NaN for fewer than two differences.

    Source:
        R. A. Fisher, The Design of Experiments, 1935; drawn patterns are counted after Phipson and Smyth, 2010,
        https://doi.org/10.2202/1544-6115.1585, and no more than it takes after Besag and Clifford, 1991,
        https://doi.org/10.1093/biomet/78.2.301

    Example:
        >>> sign_flip([1.0, 2.0, 3.0], np.random.default_rng(0))
        0.25
    """
    row = scores(differences, "differences")
    n = len(row)
    if n < 2:
        return math.nan
    if n <= MOST_EXACT:
        signs = _every_sign(n)
        return _as_extreme(signs, row) / len(signs)
    reached = drawn = 0
    while drawn < draws and reached < _ENOUGH:
        count = min(DRAWS, draws - drawn)
        reached += _as_extreme(2.0 * generator.integers(0, 2, (count, n), np.int8) - 1, row)
        drawn += count
    return (reached + 1) / (drawn + 1)


def _as_extreme(signs: np.ndarray, row: np.ndarray) -> int:
    """Return how many patterns of signs `(patterns, n)` give a sum as far from 0 as that of the row itself."""
    sums = np.abs(signs @ row)  # (patterns,)
    return int((sums >= abs(row.sum()) - 1e-9 * np.abs(row).sum()).sum())  # sums in another order round otherwise


def draws_for(comparisons: int = 1, alpha: float = ALPHA) -> int:
    """Return how many patterns of signs may be drawn, so that among many comparisons a p can still be small enough.

    Args:
        comparisons: how many are made side by side, at least 1.
        alpha: the share of false positives that is put up with.

    Example:
        >>> draws_for(comparisons=45), draws_for(comparisons=1000)
        (9999, 200000)
    """
    return min(MOST_DRAWS, max(DRAWS, math.ceil(_ENOUGH * comparisons / alpha)))


@functools.lru_cache(maxsize=4)
def _every_sign(n: int) -> np.ndarray:
    """Return half of all patterns of n signs, `(2^(n - 1), n)`: the last sign stays, and the other half mirrors it."""
    return 1.0 - 2.0 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)


def smallest_sign_flip_p(n: int, *, draws: int = DRAWS) -> float:
    """Return the least p-value that the two-sided sign-flip test can give with n differences other than zero.

    Args:
        n: of them.
        draws: as for `sign_flip`.

    Example:
        >>> smallest_sign_flip_p(6)
        0.03125
    """
    if n > MOST_EXACT:
        return max(2.0 ** (1 - n), 1 / (draws + 1))
    return min(1.0, 2.0 ** (1 - n))


def seeds_for_sign_flip(comparisons: int = 1, alpha: float = ALPHA) -> int:
    """Return how many paired seeds the sign-flip test needs before it can detect anything at all after Holm.

    Args:
        comparisons: how many are made side by side, at least 1.
        alpha: the share of false positives that is put up with.

    Example:
        >>> seeds_for_sign_flip(), seeds_for_sign_flip(comparisons=45)
        (6, 11)
    """
    return max(2, 1 + math.ceil(math.log2(comparisons / alpha)))


def chosen_test(n: int, comparisons: int = 1, alpha: float = ALPHA) -> str:
    """Return which test `test="auto"` takes: "sign_flip" where it can detect something after Holm, else "t".

    Example:
        >>> chosen_test(6), chosen_test(6, comparisons=45)
        ('sign_flip', 't')
    """
    smallest = smallest_sign_flip_p(n, draws=draws_for(comparisons, alpha))
    return "sign_flip" if smallest <= alpha / comparisons else "t"


def paired_t(differences: ArrayLike) -> float:
    """Return the two-sided p-value of the paired t-test; NaN for fewer than two differences or all alike.

    Example:
        >>> round(paired_t([1.0, 2.0, 3.0]), 4)
        0.0742
    """
    row = scores(differences, "differences")
    if len(row) < 2 or no_spread(row):
        return math.nan
    n = len(row)
    t = row.mean() / (spread(row) / math.sqrt(n))
    return float(2 * special.stdtr(n - 1, -abs(t)))
