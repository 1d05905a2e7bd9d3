"""How far an experiment repeats itself, and what asking for the same bits costs: `python -m benchmarks.determinism`.

Each line is a fresh process that trains the same experiment, and the largest difference of any weight from the first
process; on the backend that KERAS_BACKEND names, on CUDA where there is one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kact.runs import Checkpoint, Run

MODELS = {
    "mlp": ["--model", "mlp", "--activation", "mish"],
    "cnn": ["--model", "cnn", "--activation", "gelu", "--dropout", "0.2"],
}


@dataclass(frozen=True)
class Again:
    """One way to train the same again: in words, what it takes besides, and with how many threads."""

    what: str
    flags: tuple[str, ...] = ()
    threads: int = 1


WAYS = (
    Again("the first process"),
    Again("the same again"),
    Again("--deterministic", ("--deterministic",)),
    Again("--deterministic again", ("--deterministic",)),
    Again("two threads", threads=2),
    Again("two threads again", threads=2),
    Again("--engine stock", ("--engine", "stock")),
)


def trained(flags: list[str], threads: int, out: Path) -> Run:
    """Train in a process of its own and return the run."""
    command = [sys.executable, "-W", "ignore", "-m", "kact.train", "--quiet", "--out", str(out), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    (path,) = out.iterdir()
    return Run.load(path)


def difference(one: Run, other: Run) -> float:
    """Return the largest difference of any of their last weights."""
    pairs = zip(*(Checkpoint.load(run.path / "checkpoint.npz").weights for run in (one, other)), strict=True)
    return max(float(np.abs(a.astype("float64") - b).max(initial=0)) for a, b in pairs)


def main() -> None:
    """Train every model in every way, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.determinism", description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    print("| network | trained | largest difference of a weight | training, relative to the first |")
    print("| --- | --- | --- | --- |")
    for name, settings in MODELS.items():
        with tempfile.TemporaryDirectory() as made:
            first = None
            for number, way in enumerate(WAYS):
                flags = [*settings, "--epochs", str(given.epochs), *way.flags]
                run = trained(flags, way.threads, Path(made) / str(number))
                first = first or run
                apart = difference(first, run)
                seconds = [min(one.metrics["timing"]["epoch_seconds"]) for one in (run, first)]
                same = "none: the same bits" if apart == 0 else f"{apart:.1e}"
                print(f"| {name} | {way.what} | {same} | {seconds[0] / seconds[1]:.2f} |", flush=True)
    print(f"\n{first.metrics['provenance']['backend']}, {first.metrics['provenance']['device']}, {given.epochs} epochs")


if __name__ == "__main__":
    main()
