"""Study 1c on tweets: six activations in the window tagger, each at three learning rates.

    python -m benchmarks.tweet_activations

prints a table in Markdown: dev and test error in percent of each, and whether all of them train. Everything else comes
from the recipe, where it was chosen on dev; nothing is chosen here. Finished runs are not trained again.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import numpy as np

from kact import backend
from kact.errors import KactError
from kact.experiment import Experiment
from kact.recipes import config_path
from kact.runs import Run

ACTIVATIONS = ("relu", "prelu", "elu", "silu", "mish", "gelu")
LEARNING_RATES = (1e-2, 1e-3, 1e-4)


def main(arguments: list[str] | None = None) -> int:
    """Train every cell of the grid and print the table; 1 if a run diverged or learned no more than the majority."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tweet_activations", description=__doc__)
    parser.add_argument("recipe", nargs="?", default="tweets-window", help="a recipe or a TOML file")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, counted from 0")
    parser.add_argument("--out", default="runs", help="directory of runs")
    given = parser.parse_args(arguments)
    backend.select_default()
    try:
        base = Experiment.load(config_path(given.recipe))
        cells = {
            (activation, rate): train(base.replace(activation=activation, learning_rate=rate), given.seeds, given.out)
            for activation in ACTIVATIONS
            for rate in LEARNING_RATES
        }
    except KactError as error:
        print(f"benchmarks.tweet_activations: {error}", file=sys.stderr)
        return 2
    print(table(cells))
    stuck = [cell for cell, runs in cells.items() if not all(learned(run) for run in runs)]
    print(f"Did not train: {stuck}" if stuck else f"All {len(cells)} train.")
    return 1 if stuck else 0


def train(experiment: Experiment, seeds: int, out: str) -> list[Run]:
    """Train an experiment with each seed, and say so."""
    from kact.train import run

    runs = [run(experiment.replace(seed=seed), out=out, device="cpu") for seed in range(seeds)]
    seconds = sum(one.metrics["timing"]["train_seconds"] for one in runs)
    print(f"{experiment.activation} {experiment.learning_rate:g}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return runs


def learned(run: Run) -> bool:
    """Whether a run did not diverge and its dev accuracy is above twice the share of the commonest tag."""
    scores = run.metrics["validation"]
    majority = np.sum(scores["confusion"], axis=1).max() / scores["examples"]
    return not run.diverged and bool(scores["accuracy"] > 2 * majority)


def table(cells: dict[tuple[str, float], list[Run]]) -> str:
    """Return a Markdown table: a row an activation, a column a learning rate, "dev / test" error in percent."""
    rows = [f"| activation | {' | '.join(f'{rate:g}' for rate in LEARNING_RATES)} |", "| --- |" + " --- |" * 3]
    for activation in ACTIVATIONS:
        texts = []
        for rate in LEARNING_RATES:
            runs = cells[activation, rate]
            dev, test = (
                100 * (1 - statistics.median(one.metrics[part]["accuracy"] for one in runs))
                for part in ("validation", "test")
            )
            texts.append(f"{dev:.2f} / {test:.2f}")
        rows.append(f"| {activation} | {' | '.join(texts)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
