"""Transfer without a download: a network trained on CIFAR-10, moved to ants and bees, against the same from scratch.

    python benchmarks/transfer.py --out runs/transfer

Trains one `strided_cnn` on CIFAR-10, then on hymenoptera at the same 32x32 pixels: its head alone (frozen), all of it
(trained through), and the same network from scratch; five seeds and four learning rates each. The learning rate of
each way is the one with the best mean validation accuracy; no epoch is picked (the last is kept), and test is scored
once a run. Finished runs are not trained again, so a second call only prints the table.
2 CPU cores, torch, one thread: 6 minutes for CIFAR-10, and about half a minute for each of the 60 runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kact import backend

BACKBONE = {
    "task": "cifar10",
    "model": "strided_cnn",
    "batch_norm": True,
    "augment": ("flip", "shift(pixels=4)"),
    "schedule": "cosine",
    "learning_rate": 0.003,
    "batch_size": 128,
    "epochs": 12,
}
TARGET = {
    "task": "hymenoptera(image_size=32)",
    "augment": ("flip", "shift(pixels=4)"),
    "schedule": "cosine",
    "batch_size": 16,
    "epochs": 30,
    "validation_fraction": 0.2,
    "keep": "last",
}
LEARNING_RATES = {
    "frozen": (0.001, 0.003, 0.01, 0.03),
    "trained through": (0.0003, 0.001, 0.003, 0.01),
    "from scratch": (0.0003, 0.001, 0.003, 0.01),
}
SEEDS = range(5)


def main() -> None:
    """Train what is missing, and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/transfer", help="directory of runs")
    out = Path(parser.parse_args().out)
    backend.select_default()
    import numpy as np

    import kact

    trained = kact.run(kact.Experiment(**BACKBONE), out=out / "cifar10")
    print(f"CIFAR-10 test accuracy {trained.metrics['test']['accuracy']:.4f}\n", flush=True)
    ways = {
        "frozen": {"backbone": str(trained.path), "freeze": True},
        "trained through": {"backbone": str(trained.path)},
        "from scratch": {"model": "strided_cnn", "batch_norm": True},
    }
    print("| way | learning rate | validation accuracy | test accuracy | n | seconds a run |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for way, settings in ways.items():
        rows = []
        for rate in LEARNING_RATES[way]:
            finished = [
                kact.run(kact.Experiment(**TARGET, **settings, learning_rate=rate, seed=seed), out=out / "hymenoptera")
                for seed in SEEDS
            ]
            scores = {
                split: np.array([one.metrics[split]["accuracy"] for one in finished])
                for split in ("validation", "test")
            }
            seconds = float(np.mean([one.metrics["timing"]["train_seconds"] for one in finished]))
            rows.append((scores["validation"].mean(), rate, scores, seconds))
        best = max(rows, key=lambda row: row[0])
        for _, rate, scores, seconds in rows:
            mark = "**" if rate == best[1] else ""
            cells = [f"{mark}{s.mean():.3f} ± {s.std(ddof=1):.3f}{mark}" for s in scores.values()]
            print(f"| {way} | {mark}{rate}{mark} | {' | '.join(cells)} | {len(SEEDS)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
