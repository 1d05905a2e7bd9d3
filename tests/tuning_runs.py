"""Searches that tests make: tiny plans, and a stand-in for `kact.run` where the claim is about plumbing alone."""

import csv
import json
import math

from kact.experiment import Experiment
from kact.runs import Run
from tuning.plan import Plan
from tuning.space import make_space

BASE = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=2, train_examples=200, learning_rate=0.01)


def small_plan(tuner="random", trials=4, search=("learning_rate", "dropout"), base=BASE, ranges=None, **changes):
    """Return a plan over digits with a net of 8 units."""
    return Plan(base, make_space(search, base, ranges), tuner, trials, **changes)


def cheap_accuracy(experiment):
    """Return a made score, best at a learning rate of 0.003 without dropout, a little different for each seed."""
    off = math.log10(experiment.learning_rate / 0.003)
    return max(0.0, 0.95 - 0.1 * off**2 - 0.2 * experiment.dropout + 0.001 * (experiment.seed % 5))


class FakeRuns:
    """Stands in for `kact.run`: writes a run directory with a made score, and counts what it is asked for.

    Args:
        score: from an experiment to an accuracy, or None for a run that diverges in its last epoch.
        fail: from an experiment to an exception to raise, or None.
    """

    def __init__(self, score=cheap_accuracy, fail=lambda experiment: None):
        self.score, self.fail = score, fail
        self.asked, self.trained, self.continued = [], [], []

    def __call__(self, experiment, *, out, continue_from=None, **rest):
        self.asked.append(experiment)
        self.continued.append(continue_from)
        path = out / experiment.label
        if (path / "metrics.json").exists():
            return Run.load(path)
        if (error := self.fail(experiment)) is not None:
            raise error
        self.trained.append(experiment)
        write_run(path, experiment, self.score(experiment))
        return Run.load(path)


def write_run(path, experiment, accuracy):
    """Write the directory of a run whose last epoch is its best, or whose loss is NaN in its last epoch (None)."""
    path.mkdir(parents=True)
    (path / "experiment.toml").write_text(experiment.to_toml())
    epochs = experiment.epochs
    diverged = accuracy is None
    rows = [
        {
            "epoch": epoch,
            "validation_accuracy": 0.99 if diverged else accuracy * epoch / epochs,
            "validation_loss": math.nan if diverged and epoch == epochs else 1.0 - (accuracy or 0.5) * epoch / epochs,
        }
        for epoch in range(1, epochs + 1)
    ]
    with open(path / "history.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    scores = {"accuracy": accuracy, "precision": accuracy, "recall": accuracy, "f1": accuracy}
    scores |= {"loss": 1 - (accuracy or 0), "examples": 100, "per_class": {}, "confusion": []}
    metrics = {
        "status": "diverged" if diverged else "finished",
        "stopped_by": "diverged" if diverged else "epochs",
        "epochs": epochs,
        "best_epoch": epochs - 1 if diverged else epochs,
        "kept_epoch": epochs - 1 if diverged else epochs,
        **dict.fromkeys(("train", "validation", "test"), None if diverged else scores),
        "timing": {
            "train_seconds": 0.1 * epochs, "epoch_seconds": [0.1] * epochs, "images_per_second": 2000.0,
            "inference_seconds_for_10000": None,
        },
        "model": {"parameters": 610, "layers": []},
        "provenance": {"backend": "torch", "device": "cpu", "data": "ab" * 32, "versions": {}, "files": {}},
    }  # fmt: skip
    (path / "metrics.json").write_text(json.dumps(metrics))
