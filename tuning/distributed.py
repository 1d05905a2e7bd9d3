"""KerasTuner's chief and workers, made to outlive each other: a worker waits for a chief that comes back.

They find each other by KerasTuner's own variables: see `tuning.command_line.role`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client

from kact.errors import KactError
from tuning.oracles import Resumable

PATIENCE_SECONDS = 300.0  # that a worker waits for a chief
_RETRY_SECONDS, _IDLE_SECONDS, _GRACE_SECONDS = 0.3, 0.2, 1.0
_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 1000)]


class PatientClient(oracle_client.OracleClient):
    """What a worker has for an oracle: it asks the chief, and asks again if the chief died over the question.

    Every question may be asked twice: a worker that has a trial is given the same, and a trial ends once.
    """

    def __init__(self, oracle: Resumable) -> None:
        super().__init__(oracle)
        address = f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
        channel = grpc.insecure_channel(address, options=_OPTIONS)
        self.stub = _PatientStub(protos.get_service_grpc().OracleStub(channel), address)

    def create_trial(self, tuner_id: str) -> Any:
        trial = super().create_trial(tuner_id)
        if trial.status == "IDLE":  # until another worker's trial is done
            time.sleep(_IDLE_SECONDS)
        return trial


class _PatientStub:
    def __init__(self, stub: Any, address: str) -> None:
        self._stub, self._address = stub, address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._stub, name)

        def ask(request: Any, **options: Any) -> Any:
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    return call(request, wait_for_ready=True, timeout=max(until - time.monotonic(), 1.0))
                except grpc.RpcError as error:
                    if error.code() == grpc.StatusCode.UNAVAILABLE and time.monotonic() < until:
                        time.sleep(_RETRY_SECONDS)
                        continue
                    raise keras_tuner.errors.FatalError(
                        f"The chief at {self._address} does not answer: {error.code().name}. "
                        "Start it again with the same command; finished trials are kept."
                    ) from None

        return ask


def serve(oracle: Resumable) -> None:
    """Be the chief until every worker has been told that the search is over.

    Raises:
        KactError: if the port is in use.
    """
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    check_port(host, int(port))
    oracle.save()
    server = threading.Thread(target=oracle_chief.start_server, args=(oracle,), daemon=True)
    server.start()
    while server.is_alive():  # KerasTuner's own loop would sleep for up to 20 seconds at the end
        time.sleep(_IDLE_SECONDS)
        if oracle.stopped and not oracle.ongoing_trials and not oracle.tuner_ids:
            time.sleep(_GRACE_SECONDS)  # for the last answer to arrive
            return
    raise KactError(f"The chief could not serve at {host}:{port}.", "Choose another port.")


def await_chief(file: Path) -> None:
    """Wait for the chief to write the search's file, in a directory that all machines share.

    Raises:
        KactError: if it does not within five minutes.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        if time.monotonic() > until:
            raise KactError(
                f"No chief has begun a search in '{file.parent}'.",
                "Start it, with a --project that all machines share.",
            )
        time.sleep(_IDLE_SECONDS)


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_port(host: str, port: int) -> None:
    """Raise if somebody listens at a port already; gRPC itself would share it without a word.

    Raises:
        KactError: if so, or the address is not this machine's.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that a chief has just left is free
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise KactError(f"Cannot listen at {host}:{port}: {reason}.", "Choose another --port.") from None
