"""Several activations, each pair compared seed by seed, with Holm's correction and a verdict in words.

>>> scores = {"relu": [0.90, 0.91, 0.90], "elu": [0.91, 0.90, 0.91]}
>>> print(pairwise(scores, np.random.default_rng(0)).comparisons[0].verdict)
no detectable difference between relu and elu: -0.003333 (95 % interval -0.03202 to 0.02535, n = 3, p = 0.667, \
paired t-test); a t-test finds a true difference of 0.03769 four times in five
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kact.errors import KactError
from kact.stats.intervals import scores as as_scores
from kact.stats.paired import ALPHA, TEST_WORDS, Paired, chosen_test, paired, seeds_for_sign_flip
from kact.stats.power import SeedsNeeded, detectable_difference, seeds_needed


@dataclass(frozen=True)
class Comparison(Paired):
    """One pair among several, all of `Paired` and what the others make of it.

    Attributes:
        first, second: names; the difference is first minus second.
        p_holm: `p` after Holm's correction over all comparisons.
        sign_flip_p_holm: `sign_flip_p` after Holm's correction over all comparisons.
        comparisons: how many there are.
        alpha: the share of false positives, in the whole family, that is put up with.
        detected: whether `p_holm` is at most `alpha`.
        attainable: whether `test` could have detected anything with n pairs among so many comparisons.
        detectable: the true difference that a paired t-test finds four times in five, which the sign-flip test falls
            somewhat short of near its least number of seeds; NaN where it cannot be told.
        needed: seeds for the difference that was asked about; None if none was.
    """

    first: str
    second: str
    p_holm: float
    sign_flip_p_holm: float
    comparisons: int
    alpha: float
    detected: bool
    attainable: bool
    detectable: float
    needed: SeedsNeeded | None

    @property
    def verdict(self) -> str:
        """What can be said of the two, in one sentence; "no detectable difference", never "the same"."""
        both, difference = f"{self.first} and {self.second}", self.difference
        if self.n == 0:
            return f"nothing can be told of {both}: no seed has a finite score of both{self._missing()}"
        if self.test == "none":
            return f"nothing can be told of {both} from one seed: {difference.estimate:+.4g}{self._missing()}"
        interval = "no interval, as all differences are alike"
        if difference.interval is not None:
            interval = "95 % interval {:.4g} to {:.4g}".format(*difference.interval)
        p = f"Holm's p = {self.p_holm:.3g}" if self.comparisons > 1 else f"p = {self.p_holm:.3g}"
        found = (
            f"{abs(difference.estimate):.4g}" if self.detected else f"{difference.estimate:+.4g}",
            f"({interval}, n = {self.n}, {p}, {TEST_WORDS[self.test]})",
        )
        if self.detected:
            word = "higher" if difference.estimate > 0 else "lower"
            return f"{self.first} is {word} than {self.second} by {' '.join(found)}{self._missing()}"
        if not self.attainable:
            least = seeds_for_sign_flip(self.comparisons, self.alpha)
            ability = f"; {self.n} seeds cannot show any difference by this test: it needs at least {least}"
        elif math.isfinite(self.detectable):
            ability = f"; a t-test finds a true difference of {self.detectable:.4g} four times in five"
        else:
            ability = ""
        return f"no detectable difference between {both}: {' '.join(found)}{ability}{self._missing()}"

    def _missing(self) -> str:
        lost = {self.first: self.only_second + self.neither, self.second: self.only_first + self.neither}
        told = [f"{name} has no finite score of {count}" for name, count in lost.items() if count]
        return f"; of {self.n + self.only_first + self.only_second + self.neither} seeds " * bool(told) + ", ".join(
            told
        )


@dataclass(frozen=True)
class Pairwise:
    """All comparisons of one table.

    Attributes:
        names: in the order in which they were given.
        comparisons: each pair, first before second in that order; or each name against the reference.
        alpha: the share of false positives, in the whole family, that is put up with.
        note: what these seeds can and cannot show at all, in a sentence or two.
    """

    names: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    alpha: float
    note: str

    def between(self, first: str, second: str) -> Comparison:
        """Return the comparison of two names, as it stands in the table.

        Raises:
            KactError: if there is none.
        """
        for one in self.comparisons:
            if {one.first, one.second} == {first, second}:
                return one
        raise KactError(f"There is no comparison of {first!r} with {second!r} here.")


def pairwise(
    scores: Mapping[str, ArrayLike],
    generator: np.random.Generator,
    *,
    reference: str | None = None,
    test: str = "auto",
    method: str = "t",
    alpha: float = ALPHA,
    detect: float | None = None,
) -> Pairwise:
    """Compare each with each, or each with a reference, seed by seed, with Holm's correction.

    Args:
        scores: name to `(n,)`, a score a seed, the same seeds in each; what is not finite is a run that failed,
            diverged or is not there. A pair stands on the seeds that both have, and says which it lacks.
        generator: for sampled sign flips (more than 16 pairs) and both bootstraps; each comparison draws from a child
            of its own.
        reference: the name that all others are compared with, which needs far fewer seeds; all pairs if None.
        test, method: as for `kact.stats.paired`.
        alpha: the share of false positives, in the whole family.
        detect: a difference that matters, in the score's unit: each comparison then says how many seeds it needs.

    Returns:
        The comparisons; none where there are fewer than two names.

    Raises:
        KactError: for rows of different lengths, an unknown reference, test or method.

    Example:
        >>> scores = {"relu": [0.90, 0.91], "elu": [0.91, 0.90], "mish": [0.92, float("nan")]}
        >>> [(one.first, one.n) for one in pairwise(scores, np.random.default_rng(0), reference="relu").comparisons]
        [('elu', 2), ('mish', 1)]
    """
    rows = {name: as_scores(values, name) for name, values in scores.items()}
    if reference is not None and reference not in rows:
        raise KactError.parameter("reference", reference, "one of", choices=rows)
    if reference is None:
        pairs = list(itertools.combinations(rows, 2))
    else:
        pairs = [(name, reference) for name in rows if name != reference]
    children = generator.spawn(len(pairs))
    made = [
        paired(rows[first], rows[second], child, test=test, method=method, comparisons=len(pairs), alpha=alpha)
        for (first, second), child in zip(pairs, children, strict=True)
    ]
    holm_p, holm_flip = holm([one.p for one in made]), holm([one.sign_flip_p for one in made])
    compared = tuple(
        Comparison(
            **vars(one),
            first=first,
            second=second,
            p_holm=float(p),
            sign_flip_p_holm=float(flip),
            comparisons=len(pairs),
            alpha=alpha,
            detected=bool(p <= alpha),
            attainable=one.test in ("t", chosen_test(one.n, len(pairs), alpha)),
            detectable=detectable_difference(one.sd, one.n, alpha=alpha, comparisons=len(pairs)),
            needed=None
            if detect is None
            else seeds_needed(rows[first] - rows[second], detect, alpha=alpha, comparisons=len(pairs)),
        )
        for (first, second), one, p, flip in zip(pairs, made, holm_p, holm_flip, strict=True)
    )
    return Pairwise(tuple(rows), compared, alpha, _note(compared, alpha))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p-values corrected for being many, after Holm: the share of tables with a false positive stays at alpha.

    Args:
        p_values: `(m,)`; NaN where nothing was tested, which then does not count.

    Returns:
        `(m,)`, in [0, 1]; NaN where it was.

    Source:
        S. Holm, A simple sequentially rejective multiple test procedure, 1979, https://www.jstor.org/stable/4615733

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    p = as_scores(p_values, "p_values")
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected


def aligned(scores: Mapping[str, Mapping[int, float | None]]) -> tuple[tuple[int, ...], dict[str, np.ndarray]]:
    """Return scores by seed as rows of one length, NaN where a run has none, ready for `pairwise`.

    Args:
        scores: name to seed to score; None for a run without one.

    Returns:
        The seeds, ascending, and name to `(seeds,)`.

    Example:
        >>> aligned({"relu": {0: 0.9, 1: None}, "elu": {0: 0.8, 2: 0.7}})
        ((0, 1, 2), {'relu': array([0.9, nan, nan]), 'elu': array([0.8, nan, 0.7])})
    """
    seeds = tuple(sorted({seed for row in scores.values() for seed in row}))
    return seeds, {name: np.array([row.get(seed) for seed in seeds], np.float64) for name, row in scores.items()}


def _note(compared: tuple[Comparison, ...], alpha: float) -> str:
    if not compared:
        return "There is nothing to compare: it takes two names."
    count, seeds = len(compared), max(one.n for one in compared)
    if seeds < 2:
        return "Nothing can be told from fewer than two seeds: give at least 6."
    family = f"{count} comparisons" if count > 1 else "one comparison"
    least = seeds_for_sign_flip(count, alpha)
    if chosen_test(seeds, count, alpha) == "sign_flip":
        share = f"a false positive in at most {100 * alpha:g} % of such tables"
        return f"{family.capitalize()} of {seeds} paired seeds{', Holm corrected' * (count > 1)}: {share}."
    note = f"With {seeds} seeds the sign-flip test cannot detect anything among {family}: it needs at least {least}."
    if any(one.test == "t" for one in compared):
        note += " The paired t-test is used, which takes differences to be roughly normal."
    return note
