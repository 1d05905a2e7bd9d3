"""Children: kact's commands in processes that are forked off one which has imported all, so that each starts at once.

A child can be held at a moment: before its n-th change to a file, or after a share of the time that it usually takes.
While it is held, the harness does its damage; then the child goes on, if it still lives.
"""

import contextlib
import importlib
import multiprocessing
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 300
_WRITES = os.O_WRONLY | os.O_RDWR
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect", "shutil.move")


@dataclass(frozen=True)
class Moment:
    """When a child is held.

    Attributes:
        change: before which change to a file, from 1; of the victim's own. None: by the time.
        share: of the usual seconds.
        in_worker: whether a study's worker is held, in place of the command's own process.
    """

    change: int | None = None
    share: float = 0.0
    in_worker: bool = False


@dataclass(frozen=True)
class Ending:
    """How a child ended: its exit code (negative: a signal), what it printed, and its seconds."""

    code: int
    printed: str
    seconds: float

    @property
    def told_plainly(self):
        """Whether it said nothing that only a programmer can read."""
        return "Traceback (most recent call last)" not in self.printed and "Fatal Python error" not in self.printed


class Clock:
    """A number of seconds that every child adds to the time of day; it can be changed while they run."""

    def __init__(self):
        from mmap import mmap

        self._shared = mmap(-1, 8)

    @property
    def offset(self):
        return struct.unpack("d", self._shared[:8])[0]

    @offset.setter
    def offset(self, seconds):
        self._shared[:8] = struct.pack("d", seconds)

    def take_over(self):
        """Make this process see the changed time."""
        real, real_ns = time.time, time.time_ns
        time.time = lambda: real() + self.offset
        time.time_ns = lambda: real_ns() + int(self.offset * 1e9)


CLOCK = Clock()


@dataclass
class Child:
    """One command that runs."""

    process_id: int
    output: Path
    reports: int
    began: float = field(default_factory=time.monotonic)
    status: int | None = None

    def wait_until_held(self, moment, usual_seconds):
        """Hold the child at the moment, and return the process that is held; None if it ended before."""
        if moment.change is None:
            end = self.began + moment.share * usual_seconds
            while time.monotonic() < end:
                if self.ended():
                    return None
                time.sleep(0.005)
            os.kill(self.process_id, signal.SIGSTOP)
            return None if self.ended() else self.process_id
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if select.select([self.reports], [], [], 0.02)[0]:
                told = os.read(self.reports, 4)
                if not told:
                    return None
                held = struct.unpack("i", told)[0]
                while _state(held) not in "TtXZ":
                    time.sleep(0.001)
                return held if _state(held) in "Tt" else None
            if self.ended():
                return None
        raise AssertionError(f"the child neither ended nor came to {moment}")

    def ended(self):
        """Return whether it has ended."""
        if self.status is None:
            process_id, status = os.waitpid(self.process_id, os.WNOHANG)
            if process_id:
                self.status = status
        return self.status is not None

    def wait_until_said(self, text):
        """Wait until it has said a text, or ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.ended() and text not in self.output.read_text(errors="replace"):
            if time.monotonic() > end:
                self._hangs()
            time.sleep(0.01)

    def wait(self):
        """Wait for its end, and for that of all that it started."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.ended() and time.monotonic() < end:
            time.sleep(0.005)
        if not self.ended():
            self._hangs()
        seconds = time.monotonic() - self.began
        while _group_lives(self.process_id):
            assert time.monotonic() < end, "a process was left behind"
            time.sleep(0.01)
        os.close(self.reports)
        _STARTED.remove(self)
        return Ending(os.waitstatus_to_exitcode(self.status), self.output.read_text(errors="replace"), seconds)

    def _hangs(self):
        raise AssertionError(f"a child hung for {PATIENCE_SECONDS} s:\n{self.output.read_text(errors='replace')}")


_STARTED = []  # and not yet over


def end_all():
    """Kill all that still runs, stopped or not."""
    for child in list(_STARTED):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process_id, signal.SIGKILL)
        child.wait()


def start(command, folder, moment=None, user=None):
    """Fork a child that runs a command of kact in a folder.

    Args:
        command: "kact" or "tuning" and its arguments.
        folder: its working directory.
        moment: when it holds itself, where that is at a change.
        user: the number of the user that it becomes.
    """
    output = _fresh("printed")
    reports, told = os.pipe()
    token, given = os.pipe()  # whoever takes the one byte out of it holds itself, and nobody else
    os.write(given, b"!")
    os.set_blocking(token, False)
    sys.stdout.flush()
    process_id = os.fork()
    if process_id:
        for number in (told, token, given):
            os.close(number)
        return _started(Child(process_id, output, reports))
    code = 99
    try:
        os.setsid()
        os.close(reports)
        file = os.open(output, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        CLOCK.take_over()
        _fork_workers()
        if moment is not None and moment.change is not None:
            _hold_at(moment, told, token)
        code = run_here(command)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_here(command):
    """Run a command of kact in this process, and return its exit code."""
    program, *arguments = command
    try:
        return int(importlib.import_module(f"{program}.__main__").main(arguments) or 0)
    except SystemExit as stop:
        return int(stop.code or 0)


def start_apart(command, folder, environment):
    """Start a command as any user does: a new interpreter that imports all by itself."""
    output = _fresh("printed")
    reports, told = os.pipe()
    program, *arguments = command
    with open(output, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", program, *arguments],
            cwd=folder, stdout=file, stderr=file, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip
    os.close(told)
    process.returncode = 0  # whoever waits for it is Child
    return _started(Child(process.pid, output, reports))


def _started(child):
    _STARTED.append(child)
    return child


def loaded_by(command, folder):
    """Run a command in a child, and return how it ended and the modules that it imported."""
    listed = _fresh("modules")
    process_id = os.fork()
    if not process_id:
        os.chdir(folder)
        file = os.open(os.devnull, os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        _fork_workers()
        run_here(command)
        listed.write_text("\n".join(sys.modules))
        os._exit(0)
    os.waitpid(process_id, 0)
    return listed.read_text().split()


def changes_of(command, folder):
    """Run a command undisturbed, and return its ending and how many changes to files it makes."""
    counted = _fresh("counted")
    os.environ["CHAOS_COUNT"] = str(counted)
    try:
        ending = start(command, folder, Moment(change=sys.maxsize)).wait()
    finally:
        del os.environ["CHAOS_COUNT"]
    files = {kind: Path(f"{counted}.{kind}") for kind in ("main", "worker")}
    return ending, {kind: int(file.read_text()) for kind, file in files.items() if file.exists()}


def _hold_at(moment, told, token):
    """Stop this process, or the first worker that comes there, before its n-th change to a file."""
    seen = {"changes": 0, "worker": False}
    counted = os.environ.get("CHAOS_COUNT")

    def begin_worker():
        seen["changes"], seen["worker"] = 0, True

    def look(event, arguments):
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITES or str(arguments[0]).startswith("/dev"):
                return
        elif event not in _CHANGES:
            return
        seen["changes"] += 1
        if counted and not seen.get("writing"):
            seen["writing"] = True
            Path(f"{counted}.{'worker' if seen['worker'] else 'main'}").write_text(str(seen["changes"]))
            seen["writing"] = False
            return
        if seen["changes"] == moment.change and seen["worker"] == moment.in_worker:
            with contextlib.suppress(BlockingIOError):
                os.read(token, 1)
                os.write(told, struct.pack("i", os.getpid()))
                os.kill(os.getpid(), signal.SIGSTOP)

    os.register_at_fork(after_in_child=begin_worker)
    sys.addaudithook(look)


def _fork_workers():
    """Let studies fork their workers off too, in place of starting interpreters."""
    from kact.studies import workers

    real = multiprocessing.get_context

    class Forking:
        get_context = staticmethod(lambda method: real("fork"))
        parent_process = staticmethod(multiprocessing.parent_process)

    workers.multiprocessing = Forking


def _fresh(name):
    """Return a new empty file of the harness's own."""
    number, path = tempfile.mkstemp(prefix=f"{name}-", dir=os.environ.get("CHAOS_SCRATCH"))
    os.close(number)
    os.chmod(path, 0o666)  # a child may be another user
    return Path(path)


def _state(process_id):
    """Return a process's state as one letter; X where it is gone."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(_state(one) not in "ZX" for one in _members(group))


def _members(group):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[2]) == group:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
