"""A contestant in a process of its own, for what cannot share one: other backends, worker processes, peak memory.

The child trains LeNet on made images and obeys lines on its standard input: `train N` trains N epochs and answers with
the seconds; `memory` answers with the most bytes that the process ever had in memory. Kact's process begins as one of
its workers does.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("kact", "stock", "plain")


class Contestant:
    """The parent's end of a child process.

    Args:
        kind: "kact", "stock" (Keras' own `fit`) or "plain" (PyTorch over tensors, channels last).
        backend: of Keras.
        threads: that its arithmetic may use.
        batch_size, examples: of an epoch.
    """

    def __init__(
        self, kind: str, *, backend: str = "torch", threads: int = 1, batch_size: int = 32, examples: int = 960
    ) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.contestant", kind]
        sizes = ["--threads", str(threads), "--batch-size", str(batch_size), "--examples", str(examples)]
        flags = f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={threads}" if threads == 1 else ""
        setting = {
            "KERAS_BACKEND": backend, "OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_FLAGS": flags,
            "TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1",
        }  # fmt: skip
        self._child = subprocess.Popen(
            [*command, *sizes], env={**os.environ, **setting}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def ask(self, line: str) -> None:
        """Send a line and do not wait."""
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def answer(self) -> float:
        """Wait for the answer to the oldest line that has none yet.

        Raises:
            RuntimeError: if the process ended.
        """
        assert self._child.stdout is not None
        text = self._child.stdout.readline()
        if not text:
            raise RuntimeError(f"the process of {self._child.args[5:]} ended")  # type: ignore[index]
        return float(text)

    def train(self, epochs: int) -> float:
        """Return the seconds that some epochs take."""
        self.ask(f"train {epochs}")
        return self.answer()

    def close(self) -> None:
        """End the process."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()


@contextmanager
def closing(contestants: Sequence[Contestant]) -> Iterator[Sequence[Contestant]]:
    """End all processes with a block."""
    try:
        yield contestants
    finally:
        for contestant in contestants:
            contestant.close()


def peak_bytes() -> int:
    """Return the most bytes that this process ever had in memory, on Linux.

    Not `ru_maxrss`, which a process inherits from the one that started it and which is then the greater one's.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def made(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images `(examples, 32, 32, 3)` uint8 and labels."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (examples, 32, 32, 3), dtype=np.uint8), generator.integers(0, 10, examples)


def _epoch(kind: str, threads: int, batch_size: int, examples: int) -> Callable[[], Any]:
    images, labels = made(examples)
    if kind == "plain" or os.environ["KERAS_BACKEND"] == "torch":
        import torch

        torch.set_num_threads(threads)
    if kind == "plain":
        from benchmarks.plain import normalised, over_tensors

        return over_tensors("lenet", "relu", *normalised(images, labels), batch_size, torch.channels_last)
    from kact import backend, losses, optimizers

    if kind == "kact":
        backend.select_default()
        importlib.import_module("kact.training.training")  # with all that a run needs, which counts as its memory
    from kact.engine import make_engine
    from kact.experiment import Experiment
    from kact.models import build_model
    from kact.tasks import Split, TaskData, get_task
    from kact.training.assembly import epoch_batches

    model = build_model("lenet", (32, 32, 3), 10, mean=[127.0] * 3, std=[73.0] * 3)
    parts = optimizers.make_optimizer("momentum", 0.01), losses.make_loss("cross_entropy", 10), 0.0
    engine = make_engine("auto" if kind == "kact" else "stock", model, *parts)
    if kind == "stock":
        return lambda: model.fit(images, labels, batch_size=batch_size, verbose=0)
    split = Split(images, labels, np.arange(examples))
    data = TaskData(get_task("cifar10"), split, split, split, "1", "")
    batches = epoch_batches(Experiment(batch_size=batch_size), data, 0)
    return lambda: engine.train_epoch(batches)


def main() -> None:
    """Serve as the child."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    for name in ("--threads", "--batch-size", "--examples"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    epoch = _epoch(given.kind, given.threads, given.batch_size, given.examples)
    for line in sys.stdin:
        asked, *number = line.split()
        if asked == "memory":
            print(peak_bytes(), flush=True)
            continue
        began = time.perf_counter()
        for _ in range(int(number[0])):
            epoch()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
