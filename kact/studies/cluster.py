"""ClusterPool: the same jobs on a Ray cluster (https://docs.ray.io), extra `cluster`.

Every node needs this version of kact, the data, and the study's directory at the same path (a shared file system), as
checkpoints and models live there. A node that dies takes its runs with it; they are begun again elsewhere.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from kact.errors import KactError
from kact.studies.job import Job, carry_out
from kact.studies.workers import Event


class ClusterPool:
    """The CPUs of a Ray cluster, one run on each at a time; with `device="cuda"` its GPUs.

    Args:
        address: of the cluster, such as "auto" or "10.0.0.1:6379"; "local" starts one on this machine.
        device: where runs train.

    Raises:
        KactError: if Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str, device: str = "auto") -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise KactError("--cluster needs Ray, which is not installed.", "pip install 'kact[cluster]'") from None
        self._ray = ray
        self._resource = "GPU" if device == "cuda" else "CPU"
        settings: dict[str, Any] = {"num_gpus": 1} if device == "cuda" else {}
        try:
            ray.init(
                address=address,
                ignore_reinit_error=True,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {"KERAS_BACKEND": os.environ["KERAS_BACKEND"], "OMP_NUM_THREADS": "1"}},
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise KactError(
                f"No Ray cluster answers at {address!r}: {error}", "Give the ADDRESS that `ray start` printed, or auto."
            ) from None
        # Retries are the runner's: it counts them.
        self._begin = ray.remote(num_cpus=1, max_retries=0, **settings)(carry_out)
        self._running: dict[Any, Job] = {}

    @property
    def free(self) -> int:
        size = int(self._ray.cluster_resources().get(self._resource, 0))
        return max(size, 1) - len(self._running)

    def submit(self, job: Job) -> None:
        self._running[self._begin.remote(job)] = job

    def events(self, timeout_seconds: float) -> list[Event]:
        waiting = list(self._running)
        try:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
            if not ready:
                ready, _ = self._ray.wait(waiting, num_returns=1, timeout=timeout_seconds)
        except (ConnectionError, self._ray.exceptions.RayError) as error:
            raise KactError(
                f"The Ray cluster no longer answers: {error}", "Start it, and give the same command again."
            ) from None
        return [self._end(reference) for reference in ready]

    def close(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        self._ray.shutdown()

    def _end(self, reference: Any) -> Event:
        job = self._running.pop(reference)
        try:
            return Event(job, "done", outcome=self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            return Event(job, "lost", reason=f"Its worker was lost: {type(error).__name__}: {first}")
