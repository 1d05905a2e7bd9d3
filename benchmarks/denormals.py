"""What denormal numbers cost in training where units die: epochs with them and without, in turn.

python -m benchmarks.denormals

An MLP on digits whose learning rate is too large for it, so that most of its units die; torch on CPU, one thread. What
its optimizer keeps of dead weights is denormal in the end. Both ways train the same epochs in turn, and ratios are of
medians. `kact.backend.no_denormals` is what kact does in runs.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
from unittest import mock

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch

from kact import Experiment, backend, train
from kact.runs import Run
from kact.runs.checkpoint import Checkpoint

_ROUNDS = 3
_TINY = np.finfo("float32").tiny


def main() -> None:
    """Print for two optimizers how many of its numbers are denormal, and how long an epoch takes with and without."""
    torch.set_num_threads(1)
    print(f"{'optimizer':10} {'denormal':>9} {'epoch with, s':>14} {'without, s':>11} {'ratio':>6}  same scores")
    for optimizer, rate in (("adam", 0.1), ("adadelta", 10.0)):
        seconds: dict[bool, list[float]] = {True: [], False: []}
        shares, same = [], True
        for seed in range(_ROUNDS):
            scores = []
            for kept in (True, False):
                run, share = _trained(optimizer, rate, seed, kept)
                seconds[kept].append(statistics.median(run.metrics["timing"]["epoch_seconds"][-3:]))
                scores.append(run.history)
                shares += [share] if kept else []
            same = same and scores[0] == scores[1]
        slow, fast = (statistics.median(seconds[kept]) for kept in (True, False))
        print(
            f"{optimizer:10} {statistics.median(shares):9.0%} {slow:14.2f} {fast:11.2f} {slow / fast:6.2f}"
            f"  {'yes' if same else 'no'}",
            flush=True,
        )


def _trained(optimizer: str, rate: float, seed: int, kept: bool) -> tuple[Run, float]:
    """Return a run, and the share of denormal numbers that its optimizer ends with."""
    experiment = Experiment(
        model={"name": "mlp", "hidden_units": [256, 256, 256]},
        optimizer=optimizer,
        learning_rate=rate,
        initializer="torch",
        batch_size=4,
        epochs=6,
        seed=seed,
    )
    without = mock.patch.object(backend, "no_denormals", contextlib.nullcontext) if kept else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as folder, without:
        run = train.run(experiment, out=folder)
        state = Checkpoint.load(run.path / "checkpoint.npz").optimizer
        _ = run.history  # read before the folder goes
    sizes = np.abs(np.concatenate([one.ravel() for one in state if one.dtype == np.float32]))
    return run, np.count_nonzero((sizes > 0) & (sizes < _TINY)) / sizes.size


if __name__ == "__main__":
    main()
