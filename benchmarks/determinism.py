"""How far an experiment repeats itself, and what asking for the same bits costs: `python -m benchmarks.determinism`.

Each line is two fresh processes that train the same experiment on digits in one way, and the largest difference of any
weight from the first way and from each other; on the backend that KERAS_BACKEND names, on CUDA where there is one.
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

from kact.runs import Run
from kact.runs.checkpoint import Checkpoint

CNN = ["--model", "cnn", "--activation", "gelu", "--dropout", "0.2"]
MODELS = {
    "mlp": ["--model", "mlp", "--activation", "mish"],
    "cnn": CNN,
    "cnn, Adam's epsilon 1e-4": [*CNN, "--optimizer", "adam(epsilon=1e-4)"],
    "cnn, SGD": [*CNN, "--optimizer", "sgd(momentum=0.9)"],
}


@dataclass(frozen=True)
class Way:
    """One way to train the same: in words, what it takes besides, and with how many threads."""

    what: str
    flags: tuple[str, ...] = ()
    threads: int = 1


WAYS = (
    Way("one thread"),
    Way("`--deterministic`", ("--deterministic",)),
    Way("two threads", threads=2),
    Way("`--engine stock`", ("--engine", "stock")),
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
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    print("| network | trained | from one thread | from the same again | seconds an epoch, relative |")
    print("| --- | --- | --- | --- | --- |")
    for name, settings in MODELS.items():
        with tempfile.TemporaryDirectory() as made:
            first = None
            for way in WAYS:
                flags = [*settings, "--epochs", str(given.epochs), *way.flags]
                run, again = (trained(flags, way.threads, Path(made) / f"{way.what}{copy}") for copy in range(2))
                first = first or run
                apart = [f"{found:.1e}" if (found := difference(one, run)) else "same bits" for one in (first, again)]
                fastest = [min(one.metrics["timing"]["epoch_seconds"]) for one in (run, first)]
                print(f"| {name} | {way.what} | {' | '.join(apart)} | {fastest[0] / fastest[1]:.2f} |", flush=True)
    provenance = first.metrics["provenance"]
    print(f"\n{provenance['backend']} {provenance['versions'][provenance['backend']]}, {provenance['device']}.")


if __name__ == "__main__":
    main()
