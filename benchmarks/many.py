"""Many runs at once against one after another, a step of each member: what decides `together="auto"`.

    python -m benchmarks.many        # a minute; `make bench` has its rows too

Sequential is kact's captured engine, an epoch of one member; a ratio is its time over a member's share of a stack's.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.speed import interleaved, synchronise  # sets the backend, before Keras is imported
from kact import losses, optimizers
from kact.engine import make_engine
from kact.experiment import Experiment
from kact.many.stack import Stack
from kact.models import build_model
from kact.tasks import Split, TaskData, get_task
from kact.training.assembly import epoch_batches


@dataclass(frozen=True)
class Case:
    """What is trained, in words and in fact."""

    words: str
    model: dict[str, Any]
    shape: tuple[int, int, int]
    batch_size: int = 32
    members: int = 16
    optimizer: str = "momentum"
    target: float | None = None
    steps: int = 6


MLP = {"name": "mlp", "hidden_units": [256] * 3}
CASES = (
    Case("MLP 3x256 on 28x28, batch 32", MLP, (28, 28, 1), target=1.5),
    Case("the same, Adam", MLP, (28, 28, 1), optimizer="adam"),
    Case("MLP 3x512 on 28x28, batch 32", {"name": "mlp", "hidden_units": [512] * 3}, (28, 28, 1), members=8, steps=4),
    Case("MLP 3x128 on 32x32 colour, batch 32", {"name": "mlp", "hidden_units": [128] * 3}, (32, 32, 3)),
    Case("MLP 3x256 on 32x32 colour, batch 32", MLP, (32, 32, 3), members=8),
    Case("MLP 2x32 on 8x8, batch 32", {"name": "mlp", "hidden_units": [32, 32]}, (8, 8, 1), steps=30),
    Case("LeNet, batch 10", {"name": "lenet"}, (32, 32, 3), batch_size=10),
    Case("LeNet, batch 32", {"name": "lenet"}, (32, 32, 3), members=8, steps=3),
)


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Return milliseconds a step of each way, and the ratios of the rounds: the median and the extremes."""
    generator = np.random.default_rng(0)
    count = case.steps * case.batch_size
    images = generator.integers(0, 256, (count, *case.shape), dtype=np.uint8)
    split = Split(images, generator.integers(0, 10, count), np.arange(count))
    data = TaskData(get_task("digits"), split, split, split, "1", "")
    loss = losses.make_loss("cross_entropy", 10)
    channels = case.shape[-1]

    def engine(name: str, seed: int) -> Any:
        model = build_model(case.model, case.shape, 10, mean=[127.0] * channels, std=[73.0] * channels, seed=seed)
        return make_engine(name, model, optimizers.make_optimizer(case.optimizer, 0.01), loss, 0.0)

    batches = [
        epoch_batches(Experiment(batch_size=case.batch_size, seed=seed), data, 0) for seed in range(case.members)
    ]
    alone = engine("auto", 0)
    stack = Stack([engine("stock", seed).model for seed in range(case.members)], loss, [0.0] * case.members)
    repeats = max(1, case.members // 4)  # as many epochs of one as take about as long
    times = interleaved(
        {
            "sequential": lambda: [alone.train_epoch(batches[0]) for _ in range(repeats)],
            "many": lambda: stack.train_epoch(batches),
        },
        rounds,
    )
    share = {"sequential": repeats * case.steps, "many": case.members * case.steps}
    each = {name: [second / share[name] for second in seconds] for name, seconds in times.items()}
    ratios = [one / many for one, many in zip(each["sequential"], each["many"], strict=True)]
    synchronise()
    return {
        "case": dataclasses.asdict(case),
        "milliseconds": {name: 1e3 * statistics.median(seconds) for name, seconds in each.items()},
        "ratio": statistics.median(ratios),
        "range": [min(ratios), max(ratios)],
    }


def rows(cases: Sequence[Case] = CASES, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure all cases and say each as it is done."""
    found = []
    for case in cases:
        one = measure(case, rounds)
        times = ", ".join(f"{name} {value:.3f}" for name, value in one["milliseconds"].items())
        print(f"many at once, {case.words}: {one['ratio']:.2f} (ms a member's step: {times})", flush=True)
        words = f"{case.members} members at once against one after another: {case.words}"
        found.append({"words": words, "target": case.target, **one})
    return found


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    rows()
    sys.exit()
