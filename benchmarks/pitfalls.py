"""The pitfalls of comparing activations, each on real runs: `python -m benchmarks.pitfalls`.

Small dense networks on the handwritten digits, so that anybody can repeat it in minutes on one core. The runs stay in
`--runs`, and are not trained again. Writes benchmarks/results/pitfalls.md, which docs/statistics.md explains.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

import kact
from kact import stats
from kact.backend import select_default

ACTIVATIONS = ("relu", "elu", "gelu", "mish", "tanh", "sigmoid")
RATES = (0.0003, 0.003, 0.03)
SEEDS = 20
ALIKE = 10  # groups of runs of one and the same activation
GROUP = 6  # seeds in each
DEALS = 300  # ways to deal the runs into groups
Table = dict[tuple[str, float], list[kact.Run]]


def trained(activations: Iterable[str], rates: Iterable[float], seeds: Sequence[int], out: Path) -> Table:
    """Return the runs of each activation and learning rate, a seed each, trained where they are missing."""
    found: Table = {}
    for activation in activations:
        for rate in rates:
            asked = [
                kact.Experiment(
                    model={"name": "mlp", "hidden_units": [32]},
                    activation=activation,
                    learning_rate=rate,
                    epochs=8,
                    test_curve=True,
                    seed=seed,
                )
                for seed in seeds
            ]
            found[activation, rate] = kact.run_many(asked, out=out)
            print(f"{activation} {rate}: {len(asked)} runs", flush=True)
    return found


def accuracies(runs: Sequence[kact.Run], split: str = "test") -> np.ndarray:
    """Return the accuracy of each run."""
    return np.array([run.metrics[split]["accuracy"] for run in runs])


def chosen_rates(table: Table) -> dict[str, float]:
    """Return each activation's learning rate of the best mean validation accuracy."""
    return {
        activation: max(RATES, key=lambda rate: accuracies(table[activation, rate], "validation").mean())
        for activation in ACTIVATIONS
    }


def one_seed(table: Table, rates: dict[str, float]) -> str:
    """Say how often each activation wins, where one seed is all that is looked at."""
    scores = np.array([accuracies(table[name, rates[name]]) for name in ACTIVATIONS])
    wins = Counter(ACTIVATIONS[row] for row in scores.argmax(axis=0))
    lines = [
        "## One seed",
        "",
        "| activation | mean of 20 seeds, % | best of the six, in so many of 20 seeds |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {100 * row.mean():.2f} ± {100 * row.std(ddof=1):.2f} | {wins[name]} |"
        for name, row in zip(ACTIVATIONS, scores, strict=True)
    ]
    return "\n".join(
        [*lines, "", "± is the standard deviation between seeds; each has the learning rate that validation chose."]
    )


def one_rate(table: Table, rates: dict[str, float]) -> str:
    """Say who is ahead at each learning rate, and with one's own for each."""
    lines = [
        "## One learning rate for all",
        "",
        f"| learning rate | {' | '.join(ACTIVATIONS)} | first |",
        "| --- |" + " --- |" * (len(ACTIVATIONS) + 1),
    ]
    for rate in (*RATES, None):
        means = {
            name: 100 * accuracies(table[name, rates[name] if rate is None else rate]).mean() for name in ACTIVATIONS
        }
        label, first = "its own" if rate is None else f"{rate:g}", max(means, key=lambda name: means[name])
        lines.append(f"| {label} | {' | '.join(f'{mean:.2f}' for mean in means.values())} | {first} |")
    said = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
    return "\n".join([*lines, "", f"Mean test accuracy, percent, over {SEEDS} seeds. Chosen on validation: {said}."])


def best_epoch_on_test(table: Table, rates: dict[str, float]) -> str:
    """Say how much higher a score gets when its epoch is picked on test."""
    gains = []
    for name in ACTIVATIONS:
        for run in table[name, rates[name]]:
            with (run.path / "test_curve.csv").open(encoding="utf-8") as file:
                best = max(float(row["test_curve_accuracy"]) for row in csv.DictReader(file))
            gains.append(best - run.metrics["test"]["accuracy"])
    interval = stats.mean_interval(gains).interval
    assert interval is not None  # of many different values there is one
    return (
        "## The best epoch, picked on test\n\n"
        f"Over {len(gains)} runs the highest test accuracy of any epoch is {100 * np.mean(gains):.2f} points above"
        " that of the epoch that validation picked (95 % interval"
        f" {100 * interval[0]:.2f} to {100 * interval[1]:.2f}); at most {100 * max(gains):.2f}."
    )


def many_comparisons(runs: Sequence[kact.Run]) -> str:
    """Say how often a table of groups of one and the same activation calls a pair different."""
    scores, generator = accuracies(runs), np.random.default_rng(0)
    raw, held = [], []
    for _ in range(DEALS):
        dealt = generator.permutation(scores).reshape(ALIKE, GROUP)
        table = stats.pairwise(dict(zip(map(str, range(ALIKE)), dealt, strict=True)), generator, test="t")
        raw.append(sum(one.p < 0.05 for one in table.comparisons))
        held.append(sum(one.detected for one in table.comparisons))
    return (
        "## Many comparisons\n\n"
        f"{len(scores)} runs with ReLU, a seed each, dealt at random into {ALIKE} groups of {GROUP}, and compared as if"
        f" they were {ALIKE} activations, {DEALS} times: {100 * np.mean(np.array(raw) > 0):.0f} % of the tables have a"
        f" pair with p < 0.05 by the paired t-test ({np.mean(raw):.1f} of 45 pairs on average, up to {max(raw)});"
        f" {100 * np.mean(np.array(held) > 0):.1f} % have one after Holm's correction."
    )


def pairing(table: Table, rates: dict[str, float]) -> str:
    """Say how much of the spread of a difference goes, when it is taken seed by seed."""
    ratios = []
    for first, second in combinations(ACTIVATIONS, 2):
        a, b = accuracies(table[first, rates[first]]), accuracies(table[second, rates[second]])
        ratios.append((a - b).std(ddof=1) / np.sqrt(a.var(ddof=1) + b.var(ddof=1)))
    return (
        "## Pairs\n\n"
        "Standard deviation of a difference on the same seed over that of seeds which have nothing in common, over all"
        f" {len(ratios)} pairs: median {np.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}."
        " Below 1, pairing saves seeds."
    )


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pitfalls", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/pitfalls"), help="where the runs are kept")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pitfalls.md"), help="the Markdown file")
    given = parser.parse_args(arguments)
    select_default()
    table = trained(ACTIVATIONS, RATES, range(SEEDS), given.runs)
    alike = trained(["relu"], [0.003], range(1000, 1000 + ALIKE * GROUP), given.runs)["relu", 0.003]
    rates = chosen_rates(table)
    count = sum(map(len, table.values())) + len(alike)
    head = (
        "# Pitfalls, on real runs\n\n`python -m benchmarks.pitfalls`: one hidden layer of 32 units on scikit-learn's"
        f" handwritten digits, 8 epochs of Adam, {count} runs; what it means is in docs/statistics.md."
    )
    parts = [
        head,
        one_seed(table, rates),
        one_rate(table, rates),
        best_epoch_on_test(table, rates),
        many_comparisons(alike),
        pairing(table, rates),
    ]
    given.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
