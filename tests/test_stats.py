"""Means and pairs: against SciPy and R, and what few or failed runs cannot tell."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from kact import stats
from kact.errors import KactError

pytestmark = pytest.mark.any_backend

NAN = math.nan
# Student's sleep data (1908): extra hours of sleep of ten patients with each of two drugs, as in R's `sleep`.
SLEEP = (
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
SCORES = st.lists(st.integers(-40, 40).map(lambda whole: whole / 8), min_size=2, max_size=9)


def rng(seed=0):
    return np.random.default_rng(seed)


# Means


def test_a_summary_of_the_sleep_data_is_what_r_prints():
    found = stats.summary(SLEEP[0] - SLEEP[1])
    assert found.estimate == pytest.approx(-1.58) and found.sd == pytest.approx(1.229995)
    assert found.interval == pytest.approx((-2.4598858, -0.7001142)) and found.method == "Student's t"


def test_bca_is_scipys_and_its_method_is_said():
    values = SLEEP[1]
    found = stats.summary(values, method="bca", generator=rng())
    ours = reference.bootstrap((values,), np.mean, method="BCa", n_resamples=9_999, rng=rng()).confidence_interval
    assert found.interval == (ours.low, ours.high) and "BCa" in found.method


def test_bootstrap_t_reaches_further_where_the_tail_is():
    values = 0.9 - 0.02 * np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.9, 4.5])
    plain, found = stats.summary(values), stats.summary(values, method="bootstrap_t", generator=rng())
    assert found.interval[0] < plain.interval[0] and found.interval[1] < plain.interval[1]
    assert "bootstrap-t" in found.method


@pytest.mark.parametrize("method", ["t", "bca", "bootstrap_t"])
@pytest.mark.parametrize(
    ("values", "interval", "words"),
    [
        ([], None, "nothing can be told"),
        ([NAN, math.inf], None, "nothing can be told"),
        ([0.5, NAN], None, "no interval can be told"),
        ([0.5, 0.5, 0.5], None, "spread cannot be told"),
        ([0.3, 0.1 + 0.2, 0.3], None, "spread cannot be told"),
    ],
)
def test_what_few_or_equal_runs_cannot_tell_is_said(values, interval, words, method):
    found = stats.summary(values, method=method, generator=rng())
    assert found.interval == interval and words in found.method
    assert found.failures == sum(not math.isfinite(value) for value in values)
    assert found.n == len(values) - found.failures


@pytest.mark.parametrize(
    ("values", "method"),
    [([0.1, 0.2, 0.4], "bca"), ([0.1, 0.2, 0.4], "bootstrap_t"), ([0.5, 0.5, 0.5, 0.5, 0.6], "bootstrap_t")],
)
def test_where_a_bootstrap_cannot_be_had_it_is_t_and_says_so(values, method):
    found = stats.summary(values, method=method, generator=rng())
    assert found.interval == stats.summary(values).interval and "cannot be had" in found.method


def test_a_bootstrap_wants_a_generator_and_a_method_that_there_is():
    with pytest.raises(KactError, match="generator"):
        stats.summary([1, 2, 3], method="bca")
    with pytest.raises(KactError, match="Did you mean 'bca'"):
        stats.summary([1, 2, 3], method="bcaa")
    with pytest.raises(KactError, match="one row of numbers"):
        stats.summary([[1, 2], [3, 4]])
    with pytest.raises(KactError, match="one row of numbers"):
        stats.summary(["high"])


@pytest.mark.parametrize(("successes", "n"), [(0, 6), (3, 10), (10, 10)])
def test_wilsons_interval_is_scipys(successes, n):
    ours = reference.binomtest(successes, n).proportion_ci(method="wilson")
    assert stats.share_interval(successes, n).interval == pytest.approx((ours.low, ours.high))


# Pairs


def test_a_paired_comparison_of_the_sleep_data_is_what_r_prints():
    found = stats.paired(*SLEEP, rng())
    assert found.t_p == pytest.approx(0.002832890)
    assert found.difference.interval == pytest.approx((-2.4598858, -0.7001142))
    assert found.sign_flip_p == pytest.approx(0.00390625)  # exact: 4 of 1,024 patterns
    assert found.improvement.estimate == 0.05 and found.test == "sign_flip"  # nine are lower, one is tied


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_the_exact_sign_flip_test_is_scipys(differences):
    row = np.array(differences)
    ours = reference.permutation_test((row,), np.sum, permutation_type="samples", n_resamples=math.inf).pvalue
    assert stats.sign_flip(row, rng()) == pytest.approx(ours)


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES)
def test_swapping_the_two_turns_the_difference_and_leaves_p(first, second):
    n = min(len(first), len(second))
    one, other = stats.paired(first[:n], second[:n], rng()), stats.paired(second[:n], first[:n], rng())
    assert one.difference.estimate == pytest.approx(-other.difference.estimate)
    assert one.improvement.estimate + other.improvement.estimate == pytest.approx(1)
    assert one.sign_flip_p == other.sign_flip_p and one.smallest_p <= one.sign_flip_p <= 1


def test_more_than_16_pairs_are_sampled_close_to_the_exact_p_and_alike_for_the_same_seed():
    differences = rng(3).normal(0.4, 1, 18)
    sums = (1 - 2 * ((np.arange(2**18)[:, None] >> np.arange(18)) & 1)) @ differences
    exact = np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-9)
    found = stats.sign_flip(differences, rng())
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 9_999))
    assert found == stats.sign_flip(differences, rng()) != stats.sign_flip(differences, rng(1))


def test_as_many_patterns_are_drawn_as_it_takes_to_tell_a_small_p_and_no_more():
    small, large = rng(3).normal(3, 1, 18), rng(3).normal(0.4, 1, 18)
    assert stats.sign_flip(small, rng()) >= 1 / 10_000 > stats.sign_flip(small, rng(), draws=200_000) >= 1 / 200_001
    assert stats.sign_flip(large, rng()) == stats.sign_flip(large, rng(), draws=200_000)


def test_the_test_that_auto_takes_depends_on_the_number_of_pairs_alone():
    assert stats.smallest_sign_flip_p(6) == 2 / 64
    assert [stats.chosen_test(n) for n in (5, 6)] == ["t", "sign_flip"]
    assert [stats.chosen_test(n, comparisons=45) for n in (10, 11)] == ["t", "sign_flip"]


@pytest.mark.parametrize(("first", "n", "p"), [([0.9], 1, NAN), ([], 0, NAN), ([0.9, NAN], 1, NAN)])
def test_one_pair_or_none_is_no_test(first, n, p):
    found = stats.paired(first, [0.8] * len(first), rng())
    assert found.n == n and found.test == "none" and math.isnan(found.p) and found.difference.interval is None


def test_failed_runs_are_paired_away_and_counted():
    found = stats.paired([0.9, NAN, 0.8, NAN, 0.7], [0.8, 0.7, math.inf, NAN, 0.5], rng())
    assert (found.n, found.only_first, found.only_second, found.neither) == (2, 1, 1, 1)
    assert found.difference.estimate == pytest.approx(0.15)


def test_equal_differences_have_a_sign_flip_p_and_no_t():
    found = stats.paired(np.arange(5) + 0.1, np.arange(5), rng())
    assert math.isnan(found.t_p) and found.test == "sign_flip" and found.p == 2 / 32
    assert stats.paired([0.5] * 7, [0.5] * 7, rng()).p == 1


def test_differences_that_are_alike_but_for_rounding_are_no_certainty():
    first, second = np.array([340, 341]) / 359, np.array([336, 337]) / 359
    assert np.ptp(first - second) > 0
    found = stats.paired(first, second, rng())
    assert found.difference.interval is None and found.sd == 0
    assert math.isnan(stats.detectable_difference(found.sd, found.n))
    needed = stats.seeds_needed(first - second, detect=0.01)
    assert needed.seeds is None and needed.method == "all differences alike: its spread cannot be told"


def test_rows_of_different_lengths_or_an_unknown_test_are_refused():
    with pytest.raises(KactError, match="2 and 1 scores"):
        stats.paired([1, 2], [1], rng())
    with pytest.raises(KactError, match="Did you mean 'sign_flip'"):
        stats.paired([1, 2], [1, 2], rng(), test="sign-flip")
