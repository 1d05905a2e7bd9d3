"""What a person sees while a run trains, a moving bar in a terminal and one line an epoch in a log file; and Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tqdm import tqdm

from kact.experiment import Experiment
from kact.runs.history import Row
from kact.wording import short


class Progress(Protocol):
    """What is told of a run while it trains."""

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        """Training begins, or goes on after `epochs_done` epochs."""

    def batch_done(self, done: int, total: int) -> None:
        """One more of an epoch's batches is done."""

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        """An epoch is done and safe on disk."""


class _Bar(tqdm):
    """A bar without tqdm's thread beside it, which would wait for ever where there is no memory to begin it."""

    monitor_interval = 0


class Console:
    """Tells the terminal, or a log file, how a run gets on, and ends it between two batches when a signal asks for it.

    A `with` block around the run is what signals are taken for. In it, Ctrl-C and SIGTERM leave a note, as an exception
    raised in the middle of a backend's own code may be swallowed there: it ends in `KeyboardInterrupt` at the next
    batch, or with the run where there is none; before training begins, at once as well. A second signal ends the
    process; what is on disk is whole at any moment.

    Args:
        quiet: print nothing.

    Attributes:
        epochs_done: epochs that are finished and safe on disk.
        training: whether training began; it does not where the run was finished before.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.epochs_done = 0
        self._bar: _Bar | None = None
        self.training = False
        self._stop = False
        self._handlers: dict[signal.Signals, Any] = {}
        self._tell_unraisable = sys.unraisablehook

    def __enter__(self) -> Self:
        for blow in (signal.SIGINT, signal.SIGTERM):
            self._handlers[blow] = signal.signal(blow, self._ask_to_stop)
        self._tell_unraisable, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close_bar()
        for blow, handler in self._handlers.items():
            signal.signal(blow, handler)
        self._handlers.clear()
        sys.unraisablehook = self._tell_unraisable
        if self._stop and kind is not KeyboardInterrupt:
            raise KeyboardInterrupt

    def started(self, experiment: Experiment, directory: Path, device: str, epochs_done: int) -> None:
        self.epochs_done = epochs_done
        self.training = True
        again = f", going on after epoch {epochs_done}" if epochs_done else ""
        self._say(f"Training {experiment.label} on {device}{again}.")

    def batch_done(self, done: int, total: int) -> None:
        if self._stop:
            raise KeyboardInterrupt
        if self._bar is None:
            name = f"epoch {self.epochs_done + 1}"
            hidden = self.quiet or not sys.stderr.isatty()
            self._bar = _Bar(total=total, desc=name, unit="batch", leave=False, disable=hidden)
        self._bar.update(done - self._bar.n)

    def epoch_done(self, row: Row, epochs: int, seconds: float) -> None:
        self._close_bar()
        self.epochs_done = int(row["epoch"])
        self._say(
            f"epoch {self.epochs_done:{len(str(epochs))}d}/{epochs}"
            f"  train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.4f}"
            f"{_validation(row)}  {short(seconds)}"
        )

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:  # which fell into a callback of some library: it left its note
            self._tell_unraisable(unraisable)

    def _ask_to_stop(self, signum: int, frame: Any) -> None:
        if self._stop:
            os._exit(130)
        self._stop = True
        if not self.training:
            raise KeyboardInterrupt


def _validation(row: Row) -> str:
    if "validation_loss" not in row:  # it is trained on
        return ""
    return f"  validation loss {row['validation_loss']:.4f} accuracy {row['validation_accuracy']:.4f}"
