"""Workers: processes of one thread each that train a study's runs, one after another.

Importing Keras takes seconds, so a worker lives for many runs. `concurrent.futures` gives up a whole pool when one of
its processes dies; here the dead one is told of and replaced, and the others notice nothing.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Protocol

from kact import backend
from kact.processes import end_with_parent, one_thread
from kact.startup import spare_tensorflow
from kact.studies.job import Job, Outcome, carry_out


@dataclass(frozen=True)
class Event:
    """What happened to a job.

    Attributes:
        job: which.
        kind: "epoch" (so many are done), "done" (with its outcome) or "lost" (with its worker, and why).
    """

    job: Job
    kind: Literal["epoch", "done", "lost"]
    epochs: int = 0
    outcome: Outcome | None = None
    reason: str = ""


class Pool(Protocol):
    """Whoever does jobs: workers here, or a cluster."""

    @property
    def free(self) -> int:
        """How many more jobs it would begin at once."""

    def submit(self, job: Job) -> None:
        """Begin a job, while some worker is free."""

    def events(self, timeout_seconds: float) -> list[Event]:
        """Return what happened, as soon as something did."""

    def close(self) -> None:
        """End all work at once; what is on disk is whole at any moment."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = None


class WorkerPool:
    """Worker processes on this machine, started as they are needed.

    Args:
        size: how many at most.
        log: the file that takes what libraries print in workers; this process's own stderr unless given.
    """

    def __init__(self, size: int, log: Path | None = None) -> None:
        self.size = size
        self.log = log
        self._workers: list[_Worker] = []

    @property
    def free(self) -> int:
        return self.size - sum(worker.job is not None for worker in self._workers)

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that live."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def submit(self, job: Job) -> None:
        idle = next((worker for worker in self._workers if worker.job is None), None) or self._start()
        idle.job = job
        # A worker that died while it was idle is found by its sentinel, like any other.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            idle.connection.send(job)

    def events(self, timeout_seconds: float) -> list[Event]:
        by_connection = {worker.connection: worker for worker in self._workers}
        by_sentinel = {worker.process.sentinel: worker for worker in self._workers}
        ready = wait([*by_connection, *by_sentinel], timeout_seconds)
        found: list[Event] = []
        for one in ready:
            if isinstance(one, Connection) and one in by_connection:
                found += self._receive(by_connection[one])
        for one in ready:
            if isinstance(one, int) and by_sentinel[one] in self._workers:
                worker = by_sentinel[one]
                while worker in self._workers and worker.connection.poll():  # what it said before it died
                    found += self._receive(worker)
                if worker in self._workers:
                    found += self._bury(worker)
        return found

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.log), daemon=True)
        with one_thread():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker) -> list[Event]:
        try:
            epochs, outcome = worker.connection.recv()
        except (EOFError, OSError):  # it died, perhaps in the middle of a word
            return self._bury(worker)
        job = worker.job
        if job is None:
            return []
        if outcome is None:
            return [Event(job, "epoch", epochs=epochs)]
        worker.job = None
        if outcome.status == "failed":  # the next run begins in a new process: what broke this one may stay broken
            self._bury(worker)
        return [Event(job, "done", outcome=outcome)]

    def _bury(self, worker: _Worker) -> list[Event]:
        """Take a dead worker out, and tell of the job that it leaves; the next `submit` starts another."""
        self._workers.remove(worker)
        worker.process.kill()  # if it only closed its end
        worker.process.join()
        worker.connection.close()
        return [Event(worker.job, "lost", reason=_death(worker.process.exitcode))] if worker.job is not None else []


def _serve(connection: Connection, log: Path | None) -> None:
    """Be a worker: do one job after another until the parent is gone."""
    if log is not None:
        _print_into(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    backend.select_default()
    spare_tensorflow()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        outcome = carry_out(job, lambda epochs: connection.send((epochs, None)))
        connection.send((0, outcome))


def _print_into(log: Path) -> None:
    """Send what this process prints into a file, or nowhere if it cannot be written: each run says what is wrong."""
    for place in (log, Path(os.devnull)):
        with contextlib.suppress(OSError), open(place, "ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            return


def _death(exit_code: int | None) -> str:
    """Return how a process died, in words."""
    if exit_code is None or exit_code >= 0:
        return f"Its worker process ended with exit code {exit_code}."
    name = signal.Signals(-exit_code).name
    memory = " (out of memory?)" if -exit_code == signal.SIGKILL else ""
    return f"Its worker process was killed by {name}{memory}."
