"""Statistics against published examples that `test_stats.py` does not have: from papers, and from R's manuals."""

import numpy as np
import pytest
from scipy import stats as reference

from kact import stats

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("successes", "n", "interval"),
    [
        (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718)),
    ],
)  # fmt: skip
def test_wilsons_interval_is_newcombes_method_3(successes, n, interval):
    """R. G. Newcombe 1998, Two-sided confidence intervals for the single proportion, table I."""
    assert stats.share_interval(successes, n).interval == pytest.approx(interval, abs=5e-5)


def test_two_printed_means_are_compared_as_r_compares_them():
    """R: t.test(extra ~ group, data = sleep) prints t = -1.8608, df = 17.776, p-value = 0.07939, and the interval."""
    one = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    two = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    printed = {name: stats.Published(row.mean(), row.std(ddof=1), 10) for name, row in {"1": one, "2": two}.items()}
    (found,) = stats.compare_published(printed)
    sign = 1 if found.first == "1" else -1
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert sign * np.array(found.difference.interval) == pytest.approx(
        sorted((-3.3654832, 0.2054832), key=lambda end: sign * end), abs=1e-6
    )


@pytest.mark.parametrize(("differs", "power", "n"), [(0.5, 0.8, 34), (0.8, 0.8, 15), (0.2, 0.8, 199)])
def test_seeds_are_as_many_as_cohens_effects_are_known_to_need(differs, power, n):
    """Pairs for Cohen's medium, large and small effect; R: pwr.t.test(d = 0.5, power = 0.8, type = "paired"), 33.37."""
    differences = np.array([-1.0, 1.0]) / np.sqrt(2)  # standard deviation 1
    found = stats.seeds_needed(differences, detect=differs, power=power)
    assert found.sd == pytest.approx(1) and found.seeds == n
    power_of = pytest.importorskip("statsmodels.stats.power").TTestPower()
    assert int(np.ceil(power_of.solve_power(effect_size=differs, power=power, alpha=0.05))) == n


def test_friedmans_ranks_are_those_of_the_round_to_first_base():
    """Hollander and Wolfe 1973, p. 140, in R's manual of friedman.test: chi-squared = 11.143, df = 2, p = 0.003805."""
    seconds = """5.40 5.50 5.55  5.85 5.70 5.75  5.20 5.60 5.50  5.55 5.50 5.40  5.90 5.85 5.70  5.45 5.55 5.60
        5.40 5.40 5.35  5.45 5.50 5.35  5.25 5.15 5.00  5.85 5.80 5.70  5.25 5.20 5.10  5.65 5.55 5.45
        5.60 5.35 5.45  5.05 5.00 4.95  5.50 5.50 5.40  5.45 5.55 5.50  5.55 5.55 5.35  5.45 5.50 5.55
        5.50 5.45 5.25  5.65 5.60 5.40  5.70 5.65 5.55  6.30 6.30 6.25"""
    table = np.array(seconds.split(), float).reshape(22, 3)
    ours = reference.friedmanchisquare(*table.T)
    assert (round(ours.statistic, 3), round(ours.pvalue, 6)) == (11.143, 0.003805), "the data are as printed"
    found = stats.friedman_nemenyi(table, ["round out", "narrow angle", "wide angle"], higher_is_better=False)
    # Iman and Davenport's F of the printed chi-squared
    statistic = 21 * 11.142857 / (22 * 2 - 11.142857)
    assert found.p == pytest.approx(reference.f.sf(statistic, 2, 42), rel=1e-5)
    assert found.groups == (("wide angle", "narrow angle"), ("narrow angle", "round out"))


@pytest.mark.parametrize(("only_one", "only_other"), [(150, 86), (9, 1), (5, 5), (0, 6)])
def test_mcnemars_exact_test_is_statsmodels(only_one, only_other):
    """150 and 86 changed their minds on the prime minister: A. Agresti 1990, p. 350, in R's manual of mcnemar.test."""
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    first = [1.0] * only_one + [0.0] * only_other + [1.0, 0.0]
    second = [0.0] * only_one + [1.0] * only_other + [1.0, 0.0]
    found = stats.compare_success(first, second, at_least=0.5)
    assert (found.only_first, found.only_second) == (only_one, only_other)
    expected = tables.mcnemar([[1, only_one], [only_other, 1]], exact=True).pvalue
    assert found.p == pytest.approx(min(expected, 1))


def test_a_sign_flip_of_darwins_maize_is_fishers_own():
    """R. A. Fisher 1935, The Design of Experiments, section 21: 863 + 863 of 2¹⁵ sums reach 314 eighths of an inch."""
    eighths = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    assert eighths.sum() == 314
    assert stats.sign_flip(eighths, np.random.default_rng(0)) == pytest.approx(2 * 863 / 2**15, abs=1e-12)
    found = stats.paired(eighths / 8, np.zeros(15), np.random.default_rng(0))
    assert found.t_p == pytest.approx(0.0497, abs=5e-5)
