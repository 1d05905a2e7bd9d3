"""Taggers on the Oct27 tweets over several seeds, alone and together: `python -m benchmarks.tweets tweets-bilstm`.

Everything is chosen on the validation split (Oct27-dev); a recipe that trains on it too has no scores there. Runs that
are finished are not trained again.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from kact import backend
from kact.errors import KactError
from kact.experiment import Experiment
from kact.recipes import config_path


def main(arguments: list[str] | None = None) -> int:
    """Train a recipe with each seed and print mean ± sd, and the accuracy of all seeds' averaged probabilities."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tweets", description=__doc__)
    parser.add_argument("recipe", nargs="+", help="recipes or TOML files")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, counted from 0")
    parser.add_argument("--activation", help="instead of the recipe's")
    parser.add_argument("--out", default="runs", help="directory of runs")
    given = parser.parse_args(arguments)
    backend.select_default()
    try:
        for recipe in given.recipe:
            experiment = Experiment.load(config_path(recipe))
            if given.activation:
                experiment = experiment.replace(activation=given.activation)
            measure(recipe, experiment, given.seeds, given.out)
    except KactError as error:
        print(f"benchmarks.tweets: {error}", file=sys.stderr)
        return 2
    return 0


def measure(name: str, experiment: Experiment, seeds: int, out: str) -> None:
    """Train `experiment` with each seed, print each as it is done, then what they have together."""
    from kact.losses import probabilities
    from kact.predict import Predictor
    from kact.text.token_batches import predict_tokens
    from kact.train import run
    from kact.training.assembly import load_arrays_of

    data = load_arrays_of(experiment)
    parts = [part for part in ("validation", "test") if len(getattr(data, part))]
    found: dict[str, list[float]] = {part: [] for part in parts}
    summed: dict[str, np.ndarray] = {}
    for seed in range(seeds):
        finished = run(experiment.replace(seed=seed), out=out, device="cpu")
        model = Predictor(finished).model
        for part in parts:
            scores = finished.metrics[part]
            found[part].append(scores["accuracy"])
            one = probabilities(predict_tokens(model, getattr(data, part)), experiment.loss)  # (tokens, tags)
            summed[part] = summed.get(part, np.zeros_like(one)) + one
        scored = "".join(f"  {'dev' if part == 'validation' else part} {found[part][-1]:.4f}" for part in parts)
        print(
            f"{name} {experiment.activation} seed {seed}{scored}"
            f"  unseen {finished.metrics['test']['unseen_accuracy']:.4f}"
            f"  {finished.metrics['timing']['train_seconds']:.0f} s",
            flush=True,
        )
    for part in parts:
        right = summed[part].argmax(axis=-1) == getattr(data, part).labels
        spread = np.std(found[part], ddof=1) if seeds > 1 else float("nan")
        print(
            f"{name} {experiment.activation} {part}: {np.mean(found[part]):.4f} ± {spread:.4f} (n = {seeds}), "
            f"averaged probabilities {right.mean():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
