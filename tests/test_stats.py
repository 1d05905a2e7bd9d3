"""Statistics: against SciPy, statsmodels and published tables, and what few or failed runs cannot tell."""

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from kact import stats
from kact.errors import KactError

pytestmark = pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "torch") != "torch", reason="the same on every backend: no network is built"
)

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
        ([0.5, 0.5, 0.5], (0.5, 0.5), "spread cannot be told"),
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


def test_rows_of_different_lengths_or_an_unknown_test_are_refused():
    with pytest.raises(KactError, match="2 and 1 scores"):
        stats.paired([1, 2], [1], rng())
    with pytest.raises(KactError, match="Did you mean 'sign_flip'"):
        stats.paired([1, 2], [1, 2], rng(), test="sign-flip")


# Many pairs


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_nor_changes_their_order(p_values):
    p = np.array(p_values)
    corrected = stats.holm(p)
    assert (corrected >= p).all() and (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
    assert corrected[p.argmin()] == min(1, p.min() * len(p))


def test_holm_is_statsmodels_and_leaves_out_what_was_not_tested():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.array([0.01, 0.8, 0.03, 0.02, 0.04])
    assert stats.holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert stats.holm([0.01, NAN, 0.03])[[0, 2]] == pytest.approx([0.02, 0.03])
    assert len(stats.holm([])) == 0


def ten_activations(n, best=0.0):
    scores = rng(1).normal(0.9, 0.01, (10, n))
    scores[0] += best
    return {f"a{number}": row for number, row in enumerate(scores)}


def test_six_seeds_of_ten_activations_cannot_be_told_apart_by_signs_and_that_is_said():
    asked = stats.pairwise(ten_activations(6, best=0.5), rng(), test="sign_flip")
    assert len(asked.comparisons) == 45 and not any(one.detected for one in asked.comparisons)
    assert "cannot detect anything among 45 comparisons: it needs at least 11" in asked.note
    verdict = asked.between("a0", "a1").verdict
    assert "no detectable difference" in verdict and "needs at least 11" in verdict
    found = stats.pairwise(ten_activations(6, best=0.5), rng())
    assert "needs at least 11" in found.note and "t-test" in found.note
    assert found.between("a0", "a1").verdict.startswith("a0 is higher than a1 by 0.5")
    assert all(one.p_holm == one.sign_flip_p_holm for one in asked.comparisons)


def test_a_verdict_never_says_the_same():
    scores = {"relu": [0.9, 0.91, 0.92, 0.9, 0.93, 0.9], "elu": [0.91, 0.9, 0.92, 0.91, 0.92, 0.9]}
    verdict = stats.pairwise(scores, rng()).comparisons[0].verdict
    assert "no detectable difference" in verdict and "n = 6" in verdict and "four times in five" in verdict
    assert "same" not in verdict


def test_a_reference_asks_less_and_an_unknown_one_is_refused():
    found = stats.pairwise(ten_activations(8), rng(), reference="a3", detect=0.02)
    assert [one.second for one in found.comparisons] == ["a3"] * 9
    assert all(one.needed.seeds >= 2 for one in found.comparisons)
    with pytest.raises(KactError, match="Did you mean 'a3'"):
        stats.pairwise(ten_activations(3), rng(), reference="a33")


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({}, "takes two names"),
        ({"relu": [0.9, 0.8]}, "takes two names"),
        ({"relu": [0.9], "elu": [0.8]}, "fewer than two seeds"),
        ({"relu": [], "elu": []}, "fewer than two seeds"),
        ({"relu": [NAN, NAN], "elu": [0.8, 0.9]}, "fewer than two seeds"),
    ],
)
def test_a_table_of_nothing_says_so(scores, words):
    found = stats.pairwise(scores, rng())
    assert words in found.note
    assert all("nothing can be told" in one.verdict and not one.detected for one in found.comparisons)


def test_a_comparison_names_the_seeds_that_it_lacks_and_the_others_stand():
    scores = {"relu": [0.9, 0.91, 0.9, 0.92], "elu": [0.9, NAN, 0.89, 0.95], "mish": [NAN, NAN, NAN, 0.9]}
    found = stats.pairwise(scores, rng())
    assert "elu has no finite score of 1" in found.between("relu", "elu").verdict
    assert "nothing can be told of relu and mish" in found.between("relu", "mish").verdict
    assert math.isnan(found.between("relu", "mish").p_holm)
    with pytest.raises(KactError, match="no comparison"):
        found.between("relu", "gelu")


def test_the_same_seed_gives_the_same_table_whatever_is_random_in_it():
    scores = {name: row[:20] for name, row in zip("abc", rng(5).normal(size=(3, 20)), strict=True)}
    first, second = (stats.pairwise(scores, rng(9), method="bca") for _ in range(2))
    assert first == second


def test_success_is_compared_apart_from_the_scores():
    mish, gelu = [0.55] * 10, [0.1] * 6 + [0.56] * 4
    found = stats.compare_success(mish, gelu, at_least=0.2)
    assert (found.first.estimate, found.second.estimate) == (1.0, 0.4)
    assert (found.only_first, found.only_second) == (6, 0) and found.p == 2 / 64
    assert stats.compare_success([NAN], [NAN]).p == 1 and math.isnan(stats.compare_success([], []).p)


@pytest.mark.parametrize(("activations", "n"), [(3, 6), (3, 10), (5, 8)])
def test_the_benchmark_counts_what_pairwise_rejects(activations, n):
    from benchmarks.statistics import _rejected

    scores = rng(4).normal(0.9, 0.01, (activations, n))
    scores[0] += 0.02
    counted = _rejected(scores, rng())
    for test in stats.TESTS:
        found = stats.pairwise(dict(enumerate(scores)), rng(), test=test)
        assert [one.detected for one in found.comparisons] == counted[test].tolist()


def test_simulated_null_data_are_called_different_in_at_most_one_table_in_twenty():
    from benchmarks.statistics import _rejected, paired_seeds

    generator, tables = rng(11), 600
    wolf = sum(_rejected(paired_seeds(generator, (4, 8)), generator)["auto"].any() for _ in range(tables))
    assert wolf / tables <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tables)


# Power


@pytest.mark.parametrize(("effect", "n", "alpha"), [(0.5, 10, 0.05), (1.0, 6, 0.05), (1.5, 12, 0.05 / 45)])
def test_power_is_statsmodels(effect, n, alpha):
    power = pytest.importorskip("statsmodels.stats.power")
    assert stats.t_power(effect, n, alpha) == pytest.approx(power.TTestPower().power(effect, n, alpha), abs=1e-4)


def test_seeds_needed_and_the_difference_they_detect_belong_together():
    differences = rng(2).normal(0, 0.01, 8)
    found = stats.seeds_needed(differences, detect=0.01, comparisons=3)
    assert stats.detectable_difference(found.sd, found.seeds, comparisons=3) <= 0.01
    assert stats.detectable_difference(found.sd, found.seeds - 1, comparisons=3) > 0.01
    assert found.interval[0] < found.seeds < found.interval[1] and found.for_sign_flip == 7
    assert stats.seeds_needed(differences, detect=1e-7).seeds is None
    assert stats.seeds_needed([0.1, 0.1], detect=0.1).seeds is None


@pytest.mark.parametrize("wrong", [{"detect": 0.0}, {"detect": NAN}, {"power": 1.0}, {"alpha": 0.0}, {"power": 0.01}])
def test_what_cannot_be_asked_of_power_is_refused(wrong):
    with pytest.raises(KactError):
        stats.seeds_needed([0.1, 0.2], **{"detect": 0.1, **wrong})


# Across tasks


def demsar():
    """Return table 6 of Demšar (2006): AUC of C4.5 with four settings on 14 data sets."""
    table = """0.763 0.768 0.771 0.798  0.599 0.591 0.590 0.569  0.954 0.971 0.968 0.967  0.628 0.661 0.654 0.657
        0.882 0.888 0.886 0.898  0.936 0.931 0.916 0.931  0.661 0.668 0.609 0.685  0.583 0.583 0.563 0.625
        0.775 0.838 0.866 0.875  1.000 1.000 1.000 1.000  0.940 0.962 0.965 0.962  0.619 0.666 0.614 0.669
        0.972 0.981 0.9752 0.975  0.957 0.978 0.946 0.970"""  # 0.9752 is printed as 0.975 and ranked before the other
    return np.array(table.split(), float).reshape(14, 4)


def test_friedman_and_nemenyi_are_what_demsar_printed():
    found = stats.friedman_nemenyi(demsar(), ["C4.5", "m", "cf", "m+cf"])
    assert found.average_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    chi_square = 12 * 14 / 20 * ((found.average_ranks**2).sum() - 100 / 4)
    assert chi_square == pytest.approx(9.28, abs=0.01)  # as printed; ties, which it leaves aside, make p smaller
    ranks = reference.rankdata(-demsar(), axis=1)
    between = 14 * ((ranks.mean(axis=0) - 2.5) ** 2).sum() / 3
    within = ((ranks - ranks.mean(axis=0)) ** 2).sum() / 39  # each row of ranks has the same mean
    assert found.p == pytest.approx(reference.f.sf(between / within, 3, 39))
    assert found.p < reference.f.sf(3.69, 3, 39)
    assert found.groups == (("m+cf", "m", "cf", "C4.5"),) and found.tasks == 14


def test_nemenyis_p_values_are_those_of_scikit_posthocs():
    posthocs = pytest.importorskip("scikit_posthocs")
    found = stats.friedman_nemenyi(demsar(), "abcd")
    assert found.pairwise_p == pytest.approx(posthocs.posthoc_nemenyi_friedman(demsar()).to_numpy(), abs=1e-6)


def test_groups_are_the_longest_that_cannot_be_told_apart():
    table = np.tile([0.9, 0.8, 0.7, 0.1], (12, 1))
    found = stats.friedman_nemenyi(table, ["a", "b", "c", "d"])
    assert found.groups == (("a", "b"), ("b", "c"), ("c", "d")) and found.p == 0
    assert stats.friedman_nemenyi(-table, "abcd", higher_is_better=False).average_ranks.tolist() == [1, 2, 3, 4]
    assert stats.friedman_nemenyi(np.ones((5, 3)), "abc").p == 1


def test_a_task_that_lacks_a_method_is_left_out_and_one_task_tells_nothing():
    found = stats.friedman_nemenyi([[0.1, 0.2, 0.3], [0.1, NAN, 0.3]], "abc")
    assert (found.tasks, found.left_out) == (1, 1) and math.isnan(found.p) and "nothing can be told" in found.method
    assert stats.friedman_nemenyi([[NAN] * 3], "abc").tasks == 0
    for wrong in ("ab", "abcd"):
        with pytest.raises(KactError):
            stats.friedman_nemenyi([[0.1, 0.2, 0.3]], wrong)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    table = [[0.0, 0.5, 0.6, 0.7], [0.5, 0.6, 0.7, 100.0]]
    found = stats.interquartile_mean(table, rng())
    assert found.estimate == pytest.approx(0.6) and found.interval[0] <= 0.6 <= found.interval[1]
    assert found == stats.interquartile_mean(table, rng())
    assert stats.interquartile_mean([[0.1], [NAN]], rng()).interval is None
    assert math.isnan(stats.interquartile_mean([[NAN]], rng()).estimate)


def test_the_interquartile_means_interval_is_of_seeds_within_tasks():
    table = np.array([[0.10, 0.11, 0.12, 0.11], [0.90, 0.91, 0.92, 0.91]])  # tasks far apart, seeds near
    low, high = stats.interquartile_mean(table, rng()).interval
    assert high - low < 0.02


# Published tables


def test_of_the_23_seeds_of_mishs_table_the_first_three_cannot_be_told_apart_and_relu_and_elu_can():
    """SqueezeNet on CIFAR-10, mean ± sd of 23 seeds, as the Mish repository prints it."""
    printed = {"mish": (87.48, 0.40), "gelu": (87.37, 0.47), "swish": (87.32, 0.41), "relu": (86.66, 0.58)}
    printed["elu"] = (86.41, 0.34)
    table = {name: stats.Published(mean / 100, sd / 100, 23) for name, (mean, sd) in printed.items()}
    found = {(one.first, one.second): one for one in stats.compare_published(table)}
    apart = {names for names, one in found.items() if one.detected}
    assert apart == {(first, second) for first in ("mish", "gelu", "swish") for second in ("relu", "elu")}
    closest = found["mish", "gelu"]
    assert closest.p == pytest.approx(0.397, abs=0.001)
    assert closest.difference.interval == pytest.approx((-0.00150, 0.00370), abs=2e-5)


def test_a_published_entry_of_one_seed_tells_nothing():
    found = stats.compare_published({"a": stats.Published(0.9, 0.0, 1), "b": stats.Published(0.8, 0.01, 9)})[0]
    assert found.difference.interval is None and math.isnan(found.p) and not found.detected
    with pytest.raises(KactError):
        stats.compare_published({"a": stats.Published(0.9, -0.1, 3)})


def test_gelus_tagging_medians_differ_by_seven_tokens_within_one_standard_error():
    """GELU 12.57 %, ReLU 12.67 % of 7,152 test tokens wrong, medians of 3 to 5 runs."""
    tokens = 7152
    assert round((0.1267 - 0.1257) * tokens) == 7
    error = stats.binomial_standard_error(0.1257, tokens)
    assert round(100 * error, 2) == 0.39 and error > 0.1267 - 0.1257
    for wrong in ((1.2, 10), (0.5, 0)):
        with pytest.raises(KactError):
            stats.binomial_standard_error(*wrong)


def test_scores_by_seed_are_aligned_with_nothing_lost():
    seeds, rows = stats.aligned({"relu": {2: 0.9, 0: 0.8}, "elu": {1: None, 0: 0.7}})
    assert seeds == (0, 1, 2)
    np.testing.assert_array_equal(rows["relu"], [0.8, NAN, 0.9])
    np.testing.assert_array_equal(rows["elu"], [0.7, NAN, NAN])
