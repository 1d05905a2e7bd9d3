"""What a person sees while a run trains: one moving bar in a terminal, one line an epoch in a log file."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from kact.experiment import Experiment
from kact.runs import Row


class Console:
    """Tells the terminal, or a log file, how a run gets on.

    Attributes:
        epochs_done: epochs that are finished and safe on disk.
        directory: the run's, once training has begun.
    """

    def __init__(self) -> None:
        self.epochs_done = 0
        self.directory: Path | None = None
        self._bar: tqdm | None = None

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        self.epochs_done = epochs_done
        self.directory = directory
        again = f", going on after epoch {epochs_done}" if epochs_done else ""
        print(f"Training {experiment.label} on {device}{again}.", flush=True)

    def batch_done(self, done: int, total: int) -> None:
        if self._bar is None:
            name = f"epoch {self.epochs_done + 1}"
            self._bar = tqdm(total=total, desc=name, unit="batch", leave=False, disable=not sys.stderr.isatty())
        self._bar.update(done - self._bar.n)

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        self.close()
        self.epochs_done = int(row["epoch"])
        print(
            f"epoch {self.epochs_done:{len(str(epochs))}d}/{epochs}"
            f"  train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}"
            f"  validation loss {row['validation_loss']:.4f} accuracy {row['validation_accuracy']:.4f}"
            f"  {seconds:.1f} s",
            flush=True,
        )

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
