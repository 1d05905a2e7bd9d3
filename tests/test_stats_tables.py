"""Tables: methods over several tasks, as Demšar printed them, and published means with their spread."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from kact import stats
from kact.errors import KactError

pytestmark = pytest.mark.any_backend

NAN = math.nan


def rng(seed=0):
    return np.random.default_rng(seed)


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
    assert stats.interquartile_mean([[0.1, 0.1], [0.5, 0.5]], rng()).interval is None
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
