"""Published tables of means and standard deviations: which of their entries can be told apart, by arithmetic alone.

Nothing is paired there, so this is Welch's t-test from summary statistics, which takes runs to be independent and
roughly normal.

>>> table = {"mish": Published(0.8748, 0.0040, 23), "gelu": Published(0.8737, 0.0047, 23)}
>>> compare_published(table)[0].detected
False
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

from kact.errors import KactError
from kact.stats.intervals import CONFIDENCE, Estimate
from kact.stats.paired import ALPHA
from kact.stats.pairwise import holm


@dataclass(frozen=True)
class Published:
    """What a source prints of one cell.

    Attributes:
        mean: of its runs.
        sd: standard deviation between them, not the standard error of the mean.
        n: how many runs.
    """

    mean: float
    sd: float
    n: int


@dataclass(frozen=True)
class PublishedComparison:
    """Two entries of a published table.

    Attributes:
        first, second: their names; the difference is first minus second.
        difference: with Welch's interval; none where an entry has fewer than two runs or no spread.
        p: two-sided, of Welch's test; NaN where there is none.
        p_holm: after Holm's correction over the table.
        detected: whether `p_holm` is at most the table's alpha.
    """

    first: str
    second: str
    difference: Estimate
    p: float
    p_holm: float
    detected: bool


def compare_published(table: Mapping[str, Published], *, alpha: float = ALPHA) -> tuple[PublishedComparison, ...]:
    """Compare each entry of a published table with each other.

    Args:
        table: name to what was published of it.
        alpha: the share of false positives in the whole table.

    Raises:
        KactError: for a negative standard deviation or number of runs.

    Source:
        B. L. Welch, 1947, https://doi.org/10.1093/biomet/34.1-2.28
    """
    for name, one in table.items():
        if one.sd < 0 or one.n < 0:
            raise KactError.parameter(
                name, one, "a mean with a standard deviation and a number of runs, both from 0 up"
            )
    pairs = list(itertools.combinations(table, 2))
    found = [_welch(table[first], table[second]) for first, second in pairs]
    corrected = holm([p for _, p in found])
    return tuple(
        PublishedComparison(first, second, difference, p, float(p_holm), bool(p_holm <= alpha))
        for (first, second), (difference, p), p_holm in zip(pairs, found, corrected, strict=True)
    )


def _welch(first: Published, second: Published) -> tuple[Estimate, float]:
    away, n = first.mean - second.mean, first.n + second.n
    if min(first.n, second.n) < 2 or first.sd + second.sd == 0:
        return Estimate(away, None, n, "one run, or no spread: no interval can be told"), math.nan
    tested = stats.ttest_ind_from_stats(
        first.mean, first.sd, first.n, second.mean, second.sd, second.n, equal_var=False
    )
    interval = _interval(away, first, second)
    return Estimate(away, interval, n, "Welch's t, from summary statistics"), float(tested.pvalue)


def _interval(away: float, first: Published, second: Published) -> tuple[float, float]:
    a, b = first.sd**2 / first.n, second.sd**2 / second.n
    freedom = (a + b) ** 2 / (a**2 / (first.n - 1) + b**2 / (second.n - 1))  # Welch-Satterthwaite
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(a + b)
    return away - half, away + half
