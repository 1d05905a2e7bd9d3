"""Running a study for somebody at a terminal: with its progress told, and what goes on with it where it is stopped.

>>> from pathlib import Path
>>> ending(StudyDirectory(Path("runs/two")), Study(title="Two", grid={"activation": ["relu"]}), Counter(finished=3))
'Two: 3 finished.'
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.studies.directory import StudyDirectory
from kact.studies.row import STATUSES
from kact.studies.study import Study

if TYPE_CHECKING:
    from kact.studies.workers import Pool


def run_study(
    study: Study,
    directory: StudyDirectory,
    command: str,
    workers: int | None = None,
    *,
    cluster: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Counter[str]:
    """Run what is missing of a study, tell of it on the terminal, and return how many runs ended in which way.

    Args:
        study: what to run.
        directory: where.
        command: what goes on with it, told where it is stopped.
        workers: processes; as many as CPU cores if None.
        cluster: address of a Ray cluster that is to run it.
        quiet: print nothing.
        settings: of `StudyRunner`.

    Raises:
        KactError: if the study cannot be run here.
        KeyboardInterrupt: if it was stopped.
    """
    from kact.studies.console import StudyConsole
    from kact.studies.runner import StudyRunner
    from kact.studies.show import few_seeds

    if not (quiet or study.quick) and (few := few_seeds(study)):
        print(few)
    console = StudyConsole(quiet)
    with directory.opened(study):
        pool = _pool(cluster, worker_count(workers), settings.get("device", "auto"), directory)
        try:
            StudyRunner(study, directory, pool, console, **settings).run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Stopped; {console.finished()} are safe. Go on with:\n  {command}") from None
        finally:
            console.close()
            pool.close()
    return Counter(row.status for row in directory.rows())


def all_failed(count: Counter[str]) -> bool:
    """Return whether no run came to its end; False where there is none, as in a small shard."""
    return set(count) == {"failed"}


def ending(directory: StudyDirectory, study: Study, count: Counter[str]) -> str:
    """Return how a study ended, in words."""
    said = ", ".join(f"{count[one]} {one}" for one in STATUSES if count[one])
    failed = f"\nsee  kact study status {directory.path}" if count["failed"] else ""
    return f"{study.title or study.name}: {said}.{failed}"


def worker_count(given: int | None) -> int:
    """Return how many worker processes are meant; as many as CPU cores if None.

    Raises:
        KactError: for less than one.
    """
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if given < 1:
        raise KactError.parameter("workers", given, "a whole number, at least 1")
    return given


def _pool(cluster: str | None, workers: int, device: str, directory: StudyDirectory) -> Pool:
    if cluster is not None:
        from kact.studies.cluster import ClusterPool

        return ClusterPool(cluster, device)
    from kact.studies.workers import WorkerPool

    return WorkerPool(workers, directory.log)
