"""Made results: rows of a study as a run would leave them, without a run, and a study's directory that holds them."""

import hashlib
import json

import numpy as np

from kact.reports.material import Material
from kact.studies.results import ResultsTable
from kact.studies.row import ResultRow
from kact.studies.study import Study
from kact.studies.study_file import to_toml

LABELS = ("cat", "dog", "emu")
EXAMPLES = 3000
MEANS = {"relu": 0.60, "elu": 0.64, "gelu": 0.642}


def made_row(
    cell, seed, accuracy, *, stage="compare", status="finished", epochs=4, error="", settings=(), seconds=10.0
):
    """Return the row of a run that reached `accuracy` on test; None for one that left no score."""
    experiment = {
        "task": "digits", "model": {"name": "mlp", "hidden_units": [16]}, "optimizer": "adam", "learning_rate": 0.01,
        "batch_size": 64, "epochs": epochs, **dict(settings), **cell, "seed": seed,
    }  # fmt: skip
    described = {name: value for name, value in experiment.items() if name != "seed"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()
    metrics, history = None, ()
    if status != "failed":
        scores = {} if accuracy is None else scored(accuracy)
        history = [curve_row(epoch, epochs, accuracy or 0.1) for epoch in range(1, epochs + 1)]
        metrics = {
            "status": status,
            "stopped_by": "diverged" if status == "diverged" else "epochs",
            "epochs": epochs,
            "best_epoch": epochs,
            "kept_epoch": epochs,
            **{split: scores.get(split) for split in ("train", "validation", "test")},
            "timing": {
                "train_seconds": seconds, "epoch_seconds": [seconds / epochs] * epochs,
                "inference_seconds_for_10000": None, "images_per_second": 1000.0,
            },
            "model": {"parameters": 1234, "layers": []},
            "provenance": {
                "backend": "torch", "device": "cpu", "precision": "float32", "data": "ab" * 32,
                "step": {"kind": "captured", "reason": None}, "versions": {"python": "3.11.9", "kact": "0.1.0"},
                "files": {},
            },
        }  # fmt: skip
    return ResultRow(
        digest, seed, stage, cell, experiment, status, metrics, history, error, f"runs/{digest[:8]}-seed{seed}",
        finished_at=1.79e9 + seed,
    )  # fmt: skip


def scored(accuracy):
    """Return the scores on each split of a run with `accuracy` on test."""
    right = round(accuracy * EXAMPLES / 3)
    wrong = EXAMPLES // 3 - right
    one_class = {"precision": accuracy, "recall": accuracy, "f1": accuracy, "examples": EXAMPLES // 3}
    one = {
        "accuracy": accuracy, "loss": 1.5 - accuracy, "f1": accuracy - 0.01, "precision": accuracy, "recall": accuracy,
        "examples": EXAMPLES, "per_class": dict.fromkeys(LABELS, one_class),
        "confusion": [[right, wrong, 0], [0, right, wrong], [wrong, 0, right]],
    }  # fmt: skip
    return {
        "train": {**one, "accuracy": min(1.0, accuracy + 0.05), "loss": max(0.01, 1.2 - accuracy)},
        "validation": {**one, "accuracy": accuracy + 0.01},
        "test": one,
    }


def curve_row(epoch, epochs, accuracy):
    """Return one row of a history that ends near `accuracy`."""
    done = 1 - np.exp(-4 * epoch / epochs)
    return {
        "epoch": epoch,
        "learning_rate": 0.01,
        "train_loss": float(1.6 - 1.4 * done * accuracy),
        "train_accuracy": float(accuracy * done + 0.05 * done**4),
        "validation_loss": float(1.6 - 1.1 * done * accuracy),
        "validation_accuracy": float(accuracy * done),
    }


def made_rows(means, seeds=6, spread=0.004, factor="activation", cell=(), **settings):
    """Return rows of several values, `seeds` each, around their means, paired by seed."""
    luck = np.random.default_rng(5).normal(0, spread, seeds)
    rows = []
    for name, mean in means.items():
        own = np.random.default_rng(len(rows)).normal(0, spread, seeds)
        rows += [
            made_row({**dict(cell), factor: name}, seed, float(mean + luck[seed] + own[seed]), **settings)
            for seed in range(seeds)
        ]
    return rows


def write_study(folder, rows, **about):
    """Write a study's directory with these rows in its table, and return it."""
    defaults = {"name": folder.name, "title": "Made study", "base": {"task": "digits"}, "seeds": 6}
    study = Study(**{**defaults, **about})
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(to_toml(study), encoding="utf-8")
    table = ResultsTable(folder / "results.sqlite")
    for row in rows:
        table.add(row)
    return folder


def material(rows, **about):
    """Return rows as a report takes them, compared by activation."""
    values = {"activation": tuple(dict.fromkeys(row.cell["activation"] for row in rows))}
    return Material(**{"name": "made", "rows": tuple(rows), "factors": values, **about})
