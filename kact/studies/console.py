"""What a person sees while a study runs: one live line in a terminal, a line a run in a log file."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kact.experiment import Experiment
from kact.studies.factors import cell_in_words
from kact.studies.row import ResultRow
from kact.wording import duration

_TITLES = {"tune": "Tuning on validation", "compare": "Comparing"}


class StudyConsole:
    """Shows done, failed, diverged and the time left by epochs, and while candidates are tried the best on validation.

    Of runs that are compared the best is not shown: it is one seed's, which tells nothing.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.done = 0
        self.failed = 0
        self.diverged = 0
        self.runs = 0
        self._epochs = 0
        self._epochs_before = 0
        self._epochs_here = 0
        self._began = time.monotonic()
        self._best: tuple[float, str] | None = None
        self._tuning = False
        self._console = Console(highlight=False)
        self._live: Progress | None = None
        self._bar: TaskID | None = None

    def stage_began(self, stage: str, runs: int, epochs: int, rows: Iterable[ResultRow]) -> None:
        self.close()
        before = list(rows)
        self.runs, self._epochs, self._epochs_here = runs, epochs, 0
        self._epochs_before = sum(int(row.experiment["epochs"]) for row in before)
        self._began = time.monotonic()
        self.done, self.failed, self.diverged = len(before), 0, 0
        self._best, self._tuning = None, stage == "tune"
        for row in before:
            self._note(row)
        again = f", {self.done} of them done already" if self.done else ""
        self._say(f"{_TITLES[stage]}: {runs:,} runs{again}.")
        if not self.quiet and self._console.is_terminal and self.done < runs:
            self._live = Progress(BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True)
            self._live.start()
            self._bar = self._live.add_task(self._line(), total=epochs, completed=self._epochs_before)

    def epochs_done(self, epochs: int) -> None:
        self._epochs_here += epochs
        self._refresh()

    def run_done(self, row: ResultRow) -> None:
        self.done += 1
        self._note(row)
        if row.status == "failed":
            self._say(f"FAILED {cell_in_words(row.cell)}, seed {row.seed}: {row.error}")
        elif self._live is None:
            scored = row.score("validation", "accuracy")
            ended = ["diverged"] * (row.status == "diverged")
            ended += [] if scored is None else [f"validation accuracy {scored:.4f}"]
            self._say(f"{self._line()}  |  {cell_in_words(row.cell)}, seed {row.seed}: {', '.join(ended)}")
        self._refresh()

    def run_lost(self, experiment: Experiment, reason: str) -> None:
        self._say(f"Again: {experiment.label}. {reason}")

    def finished(self) -> str:
        """Return how many runs of the stage are finished, such as "2 of 9 tuning runs"."""
        return f"{self.done:,} of {self.runs:,} {'tuning ' * self._tuning}runs"

    def close(self) -> None:
        """Take the live line off the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _note(self, row: ResultRow) -> None:
        self.failed += row.status == "failed"
        self.diverged += row.status == "diverged"
        scored = row.score("validation", "accuracy")
        if self._tuning and scored is not None and (self._best is None or scored > self._best[0]):
            self._best = (scored, cell_in_words(row.cell))

    def _line(self) -> str:
        parts = [f"{self.done:,}/{self.runs:,} done", f"{self.failed} failed"]
        parts += [f"{self.diverged} diverged"] * bool(self.diverged) + [self._time_left()]
        if self._best is not None:
            parts.append(f"best on validation {self._best[0]:.4f} ({self._best[1]})")
        return ", ".join(part for part in parts if part)

    def _time_left(self) -> str:
        """Return the time left, in words, as if every epoch took as long as those of this session did."""
        left = self._epochs - self._epochs_before - self._epochs_here
        if not self._epochs_here or left <= 0:
            return ""
        return f"{duration((time.monotonic() - self._began) / self._epochs_here * left)} left"

    def _refresh(self) -> None:
        if self._live is not None and self._bar is not None:
            completed = self._epochs_before + self._epochs_here
            self._live.update(self._bar, description=self._line(), completed=completed)

    def _say(self, text: str) -> None:
        if not self.quiet:
            self._console.print(text, markup=False, soft_wrap=True)
