"""Why GELU without batch norm stays at 10 % in study 1b's network: `python -m benchmarks.gelu_failures`.

First the strided CNN as it starts, at study 1b's 96x96 pixels: how far apart its layers keep different images, and how
much gradient comes back. Then it trains on 4,500 images, as many as in study 1b, until its training loss is clearly
below that of guessing, for 30 epochs at most: how long does that take? `kact train --diagnose` keeps each layer's
gradients in `diagnostics.csv` of these runs. A second call trains only what is missing.

Trained on 32x32 pixels, a ninth of the work: the weights of the convolutions have the same fan-in and the same scale.
`--image-size 96` takes study 1b's size. The tables of docs/results/gelu-failures.md are what this prints.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kact import backend
from kact.experiment import Experiment
from kact.startup import spare_tensorflow

EPOCHS = 30
LEFT = 2.2  # a training loss that guessing among ten classes, ln 10 = 2.303, does not reach
IMAGES = 64  # that are looked at before training
LAYERS = 6
BASE: dict[str, Any] = {
    "model": "stl10-strided",
    "optimizer": "sgd(momentum=0.9)",
    "learning_rate": 0.01,
    "l2": 5e-4,
    "batch_size": 64,
    "keep": "last",
    "train_examples": 4500,
    "validation_fraction": 0.02,
    "initializer": "torch",
    "batch_norm": False,
}
ACTIVATIONS = ("gelu", "mish", "relu", "elu", "silu", "leaky_relu")
CHANGES: dict[str, dict[str, Any]] = {
    "as published": {},
    "weights fitted to the activation": {"initializer": "auto"},
    "batch norm": {"batch_norm": True},
    "learning rate 0.03": {"learning_rate": 0.03},
    "no weight decay": {"l2": 0.0},
}
CELLS = [(name, "as published") for name in ACTIVATIONS]
CELLS[2:2] = [("gelu", change) for change in list(CHANGES)[1:]]


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--image-size", type=int, default=32, help="of the images that are trained on")
    parser.add_argument("--activations", nargs="+", default=ACTIVATIONS, choices=ACTIVATIONS)
    parser.add_argument("--out", default="runs/gelu-failures", help="directory of runs")
    given = parser.parse_args()
    backend.select_default()
    spare_tensorflow()
    cells = [cell for cell in CELLS if cell[0] in given.activations]
    _print_starts(cells, given.seeds)
    print()
    _print_epochs(cells, given.seeds, given.image_size, Path(given.out))


def _print_starts(cells: Sequence[tuple[str, str]], seeds: int) -> None:
    layers = [f"conv{number}" for number in range(1, LAYERS + 1)]
    print(f"| activation | weights | {' | '.join(layers)} | gradient of conv1 | of the logits |")
    print(f"| --- | --- |{' ---: |' * (LAYERS + 2)}")
    for activation, change in cells:
        if CHANGES[change].keys() & {"l2", "learning_rate"}:  # they start alike
            continue
        looks = [_start(activation, change, seed) for seed in range(seeds)]
        numbers = [statistics.geometric_mean(column) for column in zip(*looks, strict=True)]
        told = [f"{one:.2g}" for one in numbers]
        if CHANGES[change].get("batch_norm"):  # its maps are seen as if nothing had been trained
            told[:LAYERS] = ["–"] * LAYERS
        print(f"| {activation} | {change} | {' | '.join(told)} |", flush=True)


def _start(activation: str, change: str, seed: int) -> list[float]:
    """Return the spread between images behind each convolution, and the gradients' norms, before any training."""
    import numpy as np
    from PIL import Image

    from kact.diagnostics import observer
    from kact.diagnostics.feature_maps import as_stored, feature_maps
    from kact.images import to_array
    from kact.losses import make_loss
    from kact.tasks import get_task, load_task
    from kact.transfer import starting_model

    task = get_task("cifar10(image_size=96)")
    experiment = Experiment(activation=activation, seed=seed, **{**BASE, **CHANGES[change]})
    model, _ = starting_model(experiment, task)
    small, labels = load_task("cifar10").train.take(np.arange(IMAGES))
    images = np.stack([to_array(Image.fromarray(one), task.input_shape, task.fit) for one in small])
    spreads = [
        float(feature_maps(model, images, f"conv{number}_activation").std(axis=0).mean())
        for number in range(1, LAYERS + 1)
    ]
    look = observer(model, as_stored(images), labels, make_loss(experiment.loss, len(task.labels)))
    norms = {record["layer"]: record["gradient_norm"] for record in look()}
    return [*spreads, norms["conv1"], norms["logits"]]


def _print_epochs(cells: Sequence[tuple[str, str]], seeds: int, size: int, out: Path) -> None:
    print("| activation | training | epochs until it learned, each seed | gradient of conv1 on the way |")
    print("| --- | --- | --- | --- |")
    for activation, change in cells:
        told, gradients = [], []
        for seed in range(seeds):
            epochs, norms = _leave(activation, change, seed, size, out)
            told.append(str(epochs) if epochs is not None else f"not in {EPOCHS}")
            gradients.append(norms)
        longest = max(gradients, key=len)
        shown = [longest[len(longest) * part // 3 - (part == 3)] for part in range(4)]
        print(
            f"| {activation} | {change} | {', '.join(told)} | {', '.join(f'{one:.1g}' for one in shown)} |", flush=True
        )


def _leave(activation: str, change: str, seed: int, size: int, out: Path) -> tuple[int | None, list[float]]:
    """Return the epoch in which the loss left that of guessing, if any, and conv1's gradient before each epoch."""
    from kact.train import run
    from kact.training.diary import read_diary

    settings = {**BASE, **CHANGES[change], "epochs": EPOCHS, "stop_below": LEFT, "seed": seed}
    finished = run(
        Experiment(task=f"cifar10(image_size={size})", activation=activation, **settings), out=out, diagnose=True
    )
    records = read_diary(finished.path / "diagnostics.csv")
    norms = [record["gradient_norm"] for record in records if record["layer"] == "conv1"]
    last = finished.history[-1]
    return (int(last["epoch"]) if last["train_loss"] < LEFT else None), norms


if __name__ == "__main__":
    main()
