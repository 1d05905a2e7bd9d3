"""Processes of a search on one machine: started, watched, started again when they die, ended with their parent.

A child holds the other end of a pipe of its parent's and ends when that closes, so that none is left behind even where
the parent is killed. A child is killed outright: all that it writes is whole at any moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kact.errors import KactError

CHILD = "KACT_TUNING_CHILD"  # set where a process has a parent to follow
KEEP = "KACT_TUNING_KEEP_ONGOING"  # set where a chief is restarted while its workers live
CHIEF = "chief"
_MOST_DEATHS = 5  # of one process, without a trial finished in between
_TICK_SECONDS = 0.1
_UNUSABLE = 2  # the exit code that says so: no use in trying again


@dataclass
class Child:
    """One process.

    Attributes:
        name: for people and for its log.
        command: what it runs.
        environment: besides the parent's.
        deaths: since a trial was last finished.
        done: whether it has ended well.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    deaths: int = 0
    done: bool = False
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = field(default=None, repr=False)

    def start(self, logs: Path, extra: Mapping[str, str] | None = None) -> None:
        """Begin the process, with one thread for its arithmetic."""
        self.stop()
        self.log = open(logs / f"{self.name}.log", "ab")  # noqa: SIM115 - closed in stop()
        one = {"OMP_NUM_THREADS": "1", CHILD: "1", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **one, **self.environment, **(extra or {})},
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,  # Ctrl-C is the parent's alone
        )

    def stop(self) -> None:
        """End the process, if it is there."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process = None
        if self.log is not None:
            self.log.close()
            self.log = None

    def last_words(self, logs: Path) -> str:
        """Return what it said last, for an error."""
        lines = (logs / f"{self.name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("kact: ")] or [line for line in lines if line.strip()]
        return said[-1].removeprefix("kact: ") if said else "It said nothing."


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
    code = None if child.process is None or child.done else child.process.poll()
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
    child.start(logs, {KEEP: "1"})


def _reason(code: int) -> str:
    import signal

    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def crew(arguments: Sequence[str], workers: int, port: int) -> tuple[Child, list[Child]]:
    """Return the chief and the workers of a search, not yet started.

    Args:
        arguments: of the command that each of them is given.
        workers: how many.
        port: of this machine, where the chief listens.
    """
    command = [sys.executable, "-m", "tuning", *arguments]
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}

    def child(name: str) -> Child:
        return Child(name, command, {**address, "KERASTUNER_TUNER_ID": name})

    return child(CHIEF), [child(f"tuner{i}") for i in range(workers)]


def follow_parent() -> None:
    """End this process when the one that started it ends, however that happens; if any is followed."""
    if not os.environ.pop(CHILD, ""):
        return

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
