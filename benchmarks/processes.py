"""What is measured across processes: worker processes, peak memory, and Keras' own `fit` on other backends."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.contestant import Contestant, closing

Rows = list[dict[str, Any]]


def _row(words: str, target: float | None, ratios: list[float], **facts: Any) -> dict[str, Any]:
    found = {
        "words": words, "target": target, "ratio": statistics.median(ratios), "range": [min(ratios), max(ratios)]
    }  # fmt: skip
    print(f"{words}: {found['ratio']:.2f}", flush=True)
    return {**found, **facts}


def workers(rounds: int, runs: int = 8, epochs: int = 2, examples: int = 960) -> Rows:
    """Eight LeNet runs on two workers of one thread each, against one after another with two threads.

    The processes are there and warm, as a study's are after their first run.
    """
    pair = [Contestant("kact", examples=examples) for _ in range(2)]
    both = Contestant("kact", threads=2, examples=examples)
    ratios = []
    with closing([*pair, both]):
        for contestant in (*pair, both):
            contestant.train(1)
        for _ in range(rounds):
            began = time.perf_counter()
            for worker in pair:
                worker.ask(f"train {runs // 2 * epochs}")
            for worker in pair:
                worker.answer()
            at_once = time.perf_counter() - began
            ratios.append(both.train(runs * epochs) / at_once)
    words = f"{runs} LeNet runs, batch 32: two worker processes of one thread against one process of two threads"
    return [_row(words, 1.3, ratios)]


def memory(sizes: Sequence[tuple[int, float | None]] = ((10_000, 1.2), (50_000, None)), repeats: int = 1) -> Rows:
    """Peak memory of a process that trains LeNet for an epoch, kact's over plain PyTorch's: at most the target.

    Args:
        sizes: images of 32x32 to train on, and the target.
        repeats: processes of each.
    """
    found = []
    for examples, target in sizes:
        peaks: dict[str, list[float]] = {"kact": [], "plain": []}
        for kind in [*peaks] * repeats:
            with closing([Contestant(kind, batch_size=128, examples=examples)]) as (contestant,):
                contestant.train(1)
                contestant.ask("memory")
                peaks[kind].append(contestant.answer())
        megabytes = {kind: round(statistics.median(values) / 1e6) for kind, values in peaks.items()}
        words = (
            f"peak memory of the process, LeNet, {examples} images of 32x32: kact's {megabytes['kact']} MB over plain "
            f"PyTorch's {megabytes['plain']} MB (less is better)"
        )
        ratios = [own / other for own, other in zip(peaks["kact"], peaks["plain"], strict=True)]
        found.append(_row(words, target, ratios, bytes=peaks, at_most=True))
    return found


def backends(rounds: int, batch_size: int = 32, examples: int = 960) -> Rows:
    """Keras' own `fit` on each backend against kact, LeNet, each in a process of its own and in turn."""
    found = []
    names = ("torch", "tensorflow", "jax")
    sizes = {"batch_size": batch_size, "examples": examples}
    contestants = [Contestant("kact", **sizes), *(Contestant("stock", backend=name, **sizes) for name in names)]
    with closing(contestants):
        for contestant in contestants:
            contestant.train(1)
        times = [[contestant.train(1) for contestant in contestants] for _ in range(rounds)]
    for index, name in enumerate(names, start=1):
        words = f"stock Keras `fit` on {name}, LeNet, batch {batch_size}, one thread"
        found.append(_row(words, 2.0 if name == "torch" else None, [own[index] / own[0] for own in times]))
    return found
