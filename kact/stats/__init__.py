"""Honest comparison of runs: arrays in, estimate with interval, n and method out. Pure functions that know no Keras.

Every function that draws at random takes a `numpy.random.Generator`, and gives the same for the same seed. NaN is a run
without a score: it is counted and told, never dropped in silence.

>>> import numpy as np
>>> found = pairwise({"relu": [0.90, 0.91, 0.92], "elu": [0.95, 0.96, 0.98]}, np.random.default_rng(0))
>>> found.comparisons[0].detected, found.comparisons[0].test
(True, 't')
"""

from kact.stats.across_tasks import Ranks, friedman_nemenyi, interquartile_mean
from kact.stats.intervals import (
    INTERVALS,
    Estimate,
    Summary,
    binomial_standard_error,
    mean_interval,
    share_interval,
    summary,
)
from kact.stats.paired import (
    ALPHA,
    TESTS,
    Paired,
    chosen_test,
    paired,
    paired_t,
    seeds_for_sign_flip,
    sign_flip,
    smallest_sign_flip_p,
)
from kact.stats.pairwise import Comparison, Pairwise, aligned, holm, pairwise
from kact.stats.power import SeedsNeeded, detectable_difference, seeds_needed, t_power
from kact.stats.published import Published, PublishedComparison, compare_published
from kact.stats.success import SuccessComparison, compare_success, success_rate

__all__ = [
    "ALPHA",
    "INTERVALS",
    "TESTS",
    "Comparison",
    "Estimate",
    "Paired",
    "Pairwise",
    "Published",
    "PublishedComparison",
    "Ranks",
    "SeedsNeeded",
    "SuccessComparison",
    "Summary",
    "aligned",
    "binomial_standard_error",
    "chosen_test",
    "compare_published",
    "compare_success",
    "detectable_difference",
    "friedman_nemenyi",
    "holm",
    "interquartile_mean",
    "mean_interval",
    "paired",
    "paired_t",
    "pairwise",
    "seeds_for_sign_flip",
    "seeds_needed",
    "share_interval",
    "sign_flip",
    "smallest_sign_flip_p",
    "success_rate",
    "summary",
    "t_power",
]
