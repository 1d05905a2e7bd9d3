"""How often kact's intervals hold the truth, and how often its comparisons cry wolf: `python -m benchmarks.statistics`.

Scores are drawn from populations whose mean is known, so that both can be counted. Writes
benchmarks/results/statistics.md in a few minutes on one core. "±" is two standard errors of the share before it.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from kact import stats

SEED = 20261121
COUNTS = (5, 6, 10, 20)  # runs
_NULL_COUNTS = (5, 6, 10, 15)  # paired seeds; up to 16 the sign-flip test is exact
_RUNS_A_TASK = (5, 10)
_POWER_COUNTS = (5, 6, 7, 8, 10, 12, 14)
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Accuracies about 0.9."""
    return generator.normal(0.9, 0.01, shape)


def skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A tail of bad runs: skewness -1, mean 0.9."""
    return 0.92 - 0.005 * generator.gamma(4, 1, shape)


def very_skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A long tail of bad runs: exponential, skewness -2, mean 0.9."""
    return 0.91 - 0.01 * generator.exponential(1, shape)


def bounded(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Accuracies just below 1: beta(45, 5), mean 0.9."""
    return generator.beta(45, 5, shape)


def coarse(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A test set of 153 images, as hymenoptera's: few different accuracies, mean 0.9."""
    return generator.binomial(153, generator.beta(900, 100, shape)) / 153


def collapsing(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One run in ten never leaves chance, as in study 1b: mean 0.9."""
    learnt = generator.random(shape) < 0.9
    return np.where(learnt, generator.normal(0.988888888888889, 0.005, shape), 0.1)


POPULATIONS: dict[str, Draw] = {
    "normal": normal,
    "skewed (-1)": skewed,
    "very skewed (-2)": very_skewed,
    "bounded, near 1": bounded,
    "153 test images": coarse,
    "one in ten collapses": collapsing,
}
MEAN = 0.9


def unequal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Activations of the same mean, but each second one five times as spread and very skewed."""
    spread = np.where(np.arange(shape[0]) % 2 == 1, 0.01, 0.002)[:, None]
    return 0.9 + spread * (1 - generator.exponential(1, shape))


def paired_seeds(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal scores of which half the variance is the seed's, common to all activations."""
    return 0.9 + 0.01 * (generator.normal(0, 1, shape) + generator.normal(0, 1, (1, shape[1])))


NULLS: dict[str, Draw] = {
    "normal, seeds in common": paired_seeds,
    "very skewed (-2)": very_skewed,
    "153 test images": coarse,
    "unequal spread, very skewed": unequal,
}


def main(arguments: list[str] | None = None) -> int:
    """Simulate, print, and write the Markdown file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument(
        "--repeats",
        type=int,
        default=4000,
        help="tables drawn for each number; less for what takes long",
    )
    parser.add_argument("--out", default="benchmarks/results/statistics.md", help="the Markdown file")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    generator = np.random.default_rng(SEED)
    parts = [
        "# Do the statistics keep their word?\n\n"
        f"`python -m benchmarks.statistics --repeats {given.repeats}`, seed {SEED}; "
        "what the numbers mean is in [docs/statistics.md](../../docs/statistics.md).\n",
        _section(
            "Coverage of the 95 % interval of a mean, percent",
            "95 is right; under 93 is too narrow.",
            ["population", "interval", *(f"n = {n}" for n in COUNTS)],
            mean_coverage(generator, given.repeats),
        ),
        _section(
            "Coverage of the 95 % interval of a paired difference, percent",
            "Scores of the two activations are drawn from these populations, of the same mean.",
            ["populations", "interval", *(f"n = {n}" for n in COUNTS)],
            difference_coverage(generator, given.repeats),
        ),
        _section(
            "Coverage of Wilson's interval of P(first > second), percent",
            "With few pairs the share takes few values, so it cannot be 95 for each truth.",
            ["truth", *(f"n = {n}" for n in COUNTS)],
            improvement_coverage(generator, given.repeats),
        ),
        _section(
            "Coverage of the interval of an interquartile mean, percent",
            "Tasks of means from 0.4 to 0.6, runs that stray by 0.03; the truth is the same of very many runs.",
            ["tasks", *(f"n = {n} a task" for n in _RUNS_A_TASK)],
            interquartile_coverage(np.random.default_rng([SEED, 3]), given.repeats // 8),
        ),
        _section(
            "Tables with a false positive after Holm's correction, percent",
            "All activations have the same true mean; all pairs are compared. At most 5 is right.",
            ["population", "activations", "test", *(f"n = {n}" for n in _NULL_COUNTS)],
            false_positives(generator, given.repeats),
        ),
        _section(
            "The same where two of five activations really are better (by three standard deviations), percent",
            "Only pairs without a true difference can be false positives.",
            ["population", "test", *(f"n = {n}" for n in _NULL_COUNTS)],
            partial_null(np.random.default_rng([SEED, 1]), given.repeats // 4),
        ),
        _section(
            "Chance of finding a true difference after Holm's correction, percent",
            "One of the activations is better by two standard deviations of the paired differences.",
            ["activations", "test", *(f"n = {n}" for n in _POWER_COUNTS)],
            power(np.random.default_rng([SEED, 2]), given.repeats // 8),
        ),
    ]
    seconds = time.perf_counter() - began
    print(f"{seconds:.0f} s", file=sys.stderr)
    Path(given.out).write_text("\n".join(parts), encoding="utf-8")
    return 0


def mean_coverage(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how often each interval of a mean holds it."""
    for name, draw in POPULATIONS.items():
        for method in stats.INTERVALS:
            count = _repeats(method, repeats)
            shares = []
            for n in COUNTS:
                hits = 0
                for _ in range(count):
                    found = stats.mean_interval(draw(generator, (n,)), method=method, generator=generator)
                    hits += _holds(found, MEAN)
                shares.append(_percent(hits, count))
            yield [name, _NAMES[method], *shares]


def difference_coverage(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how often each interval of a paired difference holds its true value, 0."""
    pairs = {
        "normal, normal": (normal, normal),
        "skewed (-1), skewed (-1)": (skewed, skewed),
        "skewed (-1), normal": (skewed, normal),
        "very skewed (-2), normal": (very_skewed, normal),
        "153 test images, the same": (coarse, coarse),
    }
    for name, (first, second) in pairs.items():
        for method in stats.INTERVALS:
            count = _repeats(method, repeats)
            shares = []
            for n in COUNTS:
                hits = 0
                for _ in range(count):
                    a, b = first(generator, (n,)), second(generator, (n,))
                    found = stats.paired(a, b, generator, method=method, test="t").difference
                    hits += _holds(found, 0.0)
                shares.append(_percent(hits, count))
            yield [name, _NAMES[method], *shares]


def improvement_coverage(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how often Wilson's interval of the probability of improvement holds it."""
    for truth in (0.5, 0.7, 0.9):
        shares = []
        for n in COUNTS:
            wins = generator.binomial(n, truth, repeats)
            shares.append(_percent(sum(_holds(stats.share_interval(int(one), n), truth) for one in wins), repeats))
        yield [f"{truth}", *shares]


def interquartile_coverage(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how often the stratified bootstrap's interval of an interquartile mean holds it."""
    for tasks in (3, 6):
        centres = np.linspace(0.4, 0.6, tasks)[:, None]
        many = np.sort(generator.normal(centres, 0.03, (tasks, 100_000)), axis=None)
        truth = float(many[len(many) // 4 : -(len(many) // 4)].mean())
        shares = []
        for n in _RUNS_A_TASK:
            found = (
                stats.interquartile_mean(generator.normal(centres, 0.03, (tasks, n)), generator) for _ in range(repeats)
            )
            shares.append(_percent(sum(_holds(one, truth) for one in found), repeats))
        yield [str(tasks), *shares]


def false_positives(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how many tables of activations that are all alike show any difference."""
    for name, draw in NULLS.items():
        for activations in (3, 5, 10):
            every = {test: [] for test in stats.TESTS}
            for n in _NULL_COUNTS:
                count = repeats // (1 if activations < 10 else 4)
                wolf = dict.fromkeys(stats.TESTS, 0)
                for _ in range(count):
                    rejected = _rejected(draw(generator, (activations, n)), generator)
                    for test in stats.TESTS:
                        wolf[test] += bool(rejected[test].any())
                for test in stats.TESTS:
                    every[test].append(_percent(wolf[test], count))
            for test in stats.TESTS:
                yield [name, str(activations), _NAMES[test], *every[test]]


def partial_null(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how many tables show a difference that is not there while others are."""
    better = np.array([3.0, 3.0, 0.0, 0.0, 0.0])
    alike = np.array([better[i] == better[j] for i, j in _pairs(5)])
    for name, draw in NULLS.items():
        every = {test: [] for test in stats.TESTS}
        for n in _NULL_COUNTS:
            wolf = dict.fromkeys(stats.TESTS, 0)
            for _ in range(repeats):
                rejected = _rejected(draw(generator, (5, n)) + 0.01 * better[:, None], generator)
                for test in stats.TESTS:
                    wolf[test] += bool(rejected[test][alike].any())
            for test in stats.TESTS:
                every[test].append(_percent(wolf[test], repeats))
        for test in stats.TESTS:
            yield [name, _NAMES[test], *every[test]]


def power(generator: np.random.Generator, repeats: int) -> Iterable[list[str]]:
    """Yield how often one better activation is told from one other."""
    for activations in (2, 3, 5, 10):
        every = {test: [] for test in stats.TESTS}
        for n in _POWER_COUNTS:
            found = dict.fromkeys(stats.TESTS, 0)
            for _ in range(repeats):
                scores = generator.normal(0, math.sqrt(0.5), (activations, n))
                scores[0] += 2.0
                rejected = _rejected(scores, generator)
                for test in stats.TESTS:
                    found[test] += bool(rejected[test][0])
            for test in stats.TESTS:
                every[test].append(_percent(found[test], repeats))
        for test in stats.TESTS:
            yield [str(activations), _NAMES[test], *every[test]]


_NAMES = {
    "t": "Student's t",
    "bootstrap_t": "bootstrap-t",
    "bca": "BCa",
    "sign_flip": "sign-flip",
    "auto": "auto (default)",
}


def _rejected(scores: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Return, for each test, which pairs of rows it tells apart after Holm: what `pairwise` does, without intervals."""
    differences = [scores[i] - scores[j] for i, j in _pairs(len(scores))]
    flips = np.array([stats.sign_flip(one, generator) for one in differences])
    t = np.array([stats.paired_t(one) for one in differences])
    alone = np.where(np.isnan(t), flips, t)
    auto = flips if stats.chosen_test(scores.shape[1], len(differences)) == "sign_flip" else alone
    found = {"sign_flip": flips, "t": alone, "auto": auto}
    return {test: stats.holm(p) <= 0.05 for test, p in found.items()}


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def _holds(found: stats.Estimate, truth: float) -> bool:
    return found.interval is not None and found.interval[0] <= truth <= found.interval[1]


def _repeats(method: str, repeats: int) -> int:
    return repeats if method == "t" else repeats // 4


def _percent(hits: int, count: int) -> str:
    share = hits / count
    return f"{100 * share:.1f} ± {200 * math.sqrt(max(share * (1 - share), 1 / count) / count):.1f}"


def _section(title: str, note: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}\n", f"{note}\n", f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for row in rows:
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
