"""Many pairs at once: Holm's correction, verdicts, success, and how many seeds a difference needs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kact import stats
from kact.errors import KactError

pytestmark = pytest.mark.any_backend

NAN = math.nan


def rng(seed=0):
    return np.random.default_rng(seed)


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


def test_a_difference_as_large_as_can_be_is_detected_among_hundreds_of_comparisons():
    """33 names are 528 comparisons: of 9,999 drawn patterns Holm's p is at least 528 / 10,000."""
    scores = rng(2).normal(0.9, 0.001, (33, 20))
    scores[0] += 0.5
    found = stats.pairwise(dict(enumerate(scores)), rng())
    best = [one for one in found.comparisons if one.first == 0]
    assert len(found.comparisons) == 528 and all(one.test == "sign_flip" and one.attainable for one in best)
    assert all(one.detected for one in best)
    assert all(one.smallest_p <= 0.05 / 528 for one in best)


def test_alpha_decides_which_test_is_taken():
    for seeds, alpha, test in ((9, 0.05, "sign_flip"), (9, 0.001, "t"), (6, 0.05, "t"), (6, 0.5, "sign_flip")):
        found = stats.pairwise(ten_activations(seeds), rng(), reference="a1", alpha=alpha)
        assert {one.test for one in found.comparisons} == {test} and all(one.attainable for one in found.comparisons)


def test_a_verdict_never_says_the_same():
    scores = {"relu": [0.9, 0.91, 0.92, 0.9, 0.93, 0.9], "elu": [0.91, 0.9, 0.92, 0.91, 0.92, 0.9]}
    verdict = stats.pairwise(scores, rng()).comparisons[0].verdict
    assert "no detectable difference" in verdict and "n = 6" in verdict and "four times in five" in verdict
    assert "same" not in verdict


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (
            2,
            "between relu and elu: +0.01 (no interval, as all differences are alike, n = 2, p = 0.5, sign-flip test)",
        ),
        (6, "relu is higher than elu by 0.01 (no interval, as all differences are alike, n = 6, p = 0.0312,"),
    ],
)
def test_a_difference_that_is_the_same_on_every_seed_has_a_verdict_without_an_interval(seeds, words):
    scores = {"relu": np.arange(seeds) / 100 + 0.01, "elu": np.arange(seeds) / 100}
    assert words in stats.pairwise(scores, rng()).comparisons[0].verdict


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
