"""The compact suite for a GPU, timed as airbench does: warm-up shown, the device waited for before and after.

On a machine without CUDA the same runs on the CPU with tiny sizes, so that it can be tested anywhere.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks import many, speed  # sets the backend, before Keras is imported

# isort: split
import numpy as np
import torch

from benchmarks.plain import normalised, over_tensors
from kact.experiment import Experiment
from kact.tasks import Split, TaskData, get_task
from kact.training.assembly import epoch_batches

Rows = list[dict[str, Any]]


def timed(contestants: dict[str, Any], rounds: int) -> dict[str, dict[str, Any]]:
    """Return for each the seconds of its first call, its warm-up, and of the calls after it, in turn."""
    found: dict[str, dict[str, Any]] = {}
    for name, epoch in contestants.items():
        speed.synchronise()
        began = time.perf_counter()
        epoch()
        speed.synchronise()
        found[name] = {"warm_up_seconds": time.perf_counter() - began}
    for name, seconds in speed.interleaved(contestants, rounds).items():
        found[name]["seconds"] = seconds
    return found


def lenet(rounds: int, batch_size: int = 128, steps: int = 40) -> Rows:
    """LeNet against plain eager PyTorch in its best layout and stock Keras."""
    generator = np.random.default_rng(0)
    count = batch_size * steps
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    split = Split(images, generator.integers(0, 10, count), np.arange(count))
    data = TaskData(get_task("cifar10"), split, split, split, "1", "")
    batches = epoch_batches(Experiment(batch_size=batch_size), data, 0)
    captured, stock = speed.make("auto", "lenet", "relu"), speed.make("stock", "lenet", "relu")
    tensors = normalised(*split.arrays())
    times = timed(
        {
            "kact": lambda: captured.train_epoch(batches),
            "channels last": over_tensors("lenet", "relu", *tensors, batch_size, torch.channels_last),
            "channels first": over_tensors("lenet", "relu", *tensors, batch_size, torch.contiguous_format),
            "stock": lambda: stock.model.fit(*split.arrays(), batch_size=batch_size, verbose=0),
        },
        rounds,
    )
    for name, one in times.items():
        each = 1e3 * statistics.median(one["seconds"]) / steps
        print(f"LeNet batch {batch_size}, {name}: {each:.3f} ms a step after {one['warm_up_seconds']:.2f} s of warm-up")
    best = min(("channels last", "channels first"), key=lambda name: statistics.median(times[name]["seconds"]))
    rows = []
    for name, words, target in (
        (best, f"plain eager PyTorch, {best}", 3.0),
        ("stock", "stock Keras `fit`, torch", 8.0),
    ):
        ratios = [a / b for a, b in zip(times[name]["seconds"], times["kact"]["seconds"], strict=True)]
        rows.append(
            {
                "words": f"{words} (LeNet, batch {batch_size})",
                "target": target if torch.cuda.is_available() else None,
                "ratio": statistics.median(ratios),
                "range": [min(ratios), max(ratios)],
                "times": times,
            }
        )
    return rows


def main(out: str) -> int:
    """Measure, print the table, and write it as cuda-compact.md and .json, or cpu-compact.* without CUDA."""
    from benchmarks.__main__ import write

    cuda = torch.cuda.is_available()
    torch.set_num_threads(1)
    rounds = 5 if cuda else 2
    began = time.perf_counter()
    rows = lenet(rounds, steps=40 if cuda else 3)
    members, size = (32, 128) if cuda else (4, 32)
    for case in many.CASES[-2:-1], many.CASES[:1]:
        [one] = case
        target = 10.0 if cuda else None
        given = dataclasses.replace(one, members=members, batch_size=size, target=target, words=one.words.split(",")[0])
        rows += many.rows([dataclasses.replace(given, words=f"{given.words}, batch {size}")], rounds)
    facts = {
        "machine": speed.machine(1), "date": time.strftime("%Y-%m-%d"), "rounds": rounds,
        "seconds": round(time.perf_counter() - began), "records": [], "rows": rows,
    }  # fmt: skip
    return write(facts, Path(out), "cuda-compact" if cuda else "cpu-compact", "python -m benchmarks --gpu")
