"""Processes of a search on one machine: started, watched, started again when they die, ended with their parent.

Keras takes seconds to load. One process, the nursery (Python's forkserver), loads it while the search measures its
first epoch, and every child is forked from it, at once. A child ends when its parent does, however that happens, so
that none is left behind. It is killed outright: all that it writes is whole at any moment.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kact.command_line import guarded
from kact.errors import KactError
from kact.processes import end_with_parent

_COUNT_WITHOUT_CUDA = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # CUDA, once asked, is of no use to a forked process
_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_MOST_DEATHS = 5  # of one process, without a trial finished in between
_TICK_SECONDS, _ENDING_SECONDS = 0.1, 5.0
_UNUSABLE = 2  # the exit code that says so: no use in trying again

Work = Callable[[bool], int]


def open_nursery() -> None:
    """Begin to load, in a process beside this one, what workers need.

    Ctrl-C is not for it, nor for those that are forked from it: the parent ends them.
    """
    if not _FORKS:
        return
    os.environ.update(_COUNT_WITHOUT_CUDA)
    forkserver.set_forkserver_preload(["tuning.nursery"])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which it inherits
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Child:
    """One process.

    Attributes:
        name: for people and for its log.
        work: what it does; told whether it is started again, and returns the exit code. It can be pickled.
        environment: besides the parent's.
        deaths: since a trial was last finished.
        done: whether it has ended well.
    """

    name: str
    work: Work
    environment: Mapping[str, str] = field(default_factory=dict)
    deaths: int = 0
    done: bool = False
    process: BaseProcess | None = None

    def start(self, logs: Path, again: bool = False) -> None:
        """Begin the process.

        Raises:
            KactError: if there can be none.
        """
        self.stop()
        context: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
        process = context.Process(target=_live, args=(self, logs / f"{self.name}.log", again), daemon=True)
        try:
            process.start()
        except (OSError, EOFError) as error:
            raise KactError(
                f"The search's {self.name} could not be started: {error or type(error).__name__}.",
                "Finished trials are kept: give the command again to go on.",
            ) from error
        self.process = process

    def stop(self) -> None:
        """End the process, if it is there."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.join()
        number = process.pid
        process.close()
        _wait_until_gone(number or 0)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "process": None}  # of no use to the child itself

    def last_words(self, logs: Path) -> str:
        """Return what it said last, for an error."""
        lines = (logs / f"{self.name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("kact: ")] or [line for line in lines if line.strip()]
        return said[-1].removeprefix("kact: ") if said else "It said nothing."


def _wait_until_gone(number: int) -> None:
    """Wait for a process that was killed, or whose nursery was and which then ends by itself."""
    until = time.monotonic() + _ENDING_SECONDS
    while number and time.monotonic() < until:
        try:
            os.kill(number, 0)
        except OSError:
            return
        time.sleep(_TICK_SECONDS)


def _live(child: Child, log: Path, again: bool) -> None:
    """Be a child: follow the parent, print into the log, work."""
    end_with_parent()
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is the parent's alone
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    os.environ.update(child.environment)
    sys.exit(guarded(lambda: child.work(again)))


def supervise(children: Sequence[Child], logs: Path, tick: Callable[[], int], chief: Child | None = None) -> None:
    """Run processes until each has ended well; one that dies is started again under its name.

    Args:
        children: the ones to wait for.
        logs: the directory of what they print.
        tick: called a few times a second; returns how many trials or runs are done.
        chief: served by the others' side, started first and ended last.

    Raises:
        KactError: if one of them says that its input is unusable, or dies again and again.
    """
    logs.mkdir(parents=True, exist_ok=True)
    everyone = [*([chief] if chief else []), *children]
    try:
        for child in everyone:
            child.start(logs)
        finished = tick()
        while not all(child.done for child in children):
            time.sleep(_TICK_SECONDS)
            now = tick()
            if now > finished:
                finished = now
                for child in everyone:
                    child.deaths = 0
            for child in everyone:
                _look_after(child, child is chief, logs)
        tick()
    finally:
        for child in everyone:
            child.stop()


def _look_after(child: Child, is_chief: bool, logs: Path) -> None:
    code = None if child.process is None or child.done else child.process.exitcode
    if code is None:
        return
    if code == 0 and not is_chief:  # a chief is needed for as long as there are workers
        child.done = True
        return
    child.deaths += 1
    if code == _UNUSABLE or child.deaths > _MOST_DEATHS:
        raise KactError(
            f"The search's {child.name} cannot go on: {child.last_words(logs)}",
            f"See '{logs / child.name}.log'. Finished trials are kept: give the command again to go on.",
        )
    if code != 0:
        print(f"{child.name} died ({_reason(code)}) and is started again.", flush=True)
    child.start(logs, again=True)


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
