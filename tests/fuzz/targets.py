"""Fuzz targets: functions that are fed made inputs and must work, or say what was wrong, within bounds.

`make test` gives each a few inputs, always the same ones; `make fuzz` gives each new ones until its time is up, and
keeps what it finds in hypothesis' database.
"""

import contextlib
import math
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis.strategies import SearchStrategy

from kact.errors import KactError

SLOWEST_SECONDS = 20.0  # of the processor that one input may take; a busy or a stopped machine counts for nothing
MOST_BYTES = 2 << 30  # that one input may ask for, beyond what the process has
MOST_LINES = 6  # of a message: two of kact's own, and what a TOML reader or a shell command adds
ROUND = 400  # inputs that hypothesis varies and combines before it starts afresh

_HOW: dict[str, Any] = {
    "deadline": None,  # here by the clock of the whole input, C code included
    "suppress_health_check": list(hypothesis.HealthCheck),
    "print_blob": False,
}


class _OutOfTime(BaseException):
    """Raised by the alarm; no `except Exception` of the tested code can keep it."""


class _Enough(BaseException):
    """Raised in place of an input when a target's time is up."""


@dataclass
class Target:
    """One target.

    Attributes:
        name: as `make fuzz TARGETS=` takes it.
        function: what is fed.
        made: strategies for its arguments.
        seconds: that one input may take.
        inputs: how many it was fed so far.
        until: when it has had enough, by the monotonic clock; a find is looked into all the same.
    """

    name: str
    function: Callable[..., None]
    made: dict[str, SearchStrategy[Any]]
    seconds: float = SLOWEST_SECONDS
    inputs: int = 0
    until: float = math.inf

    def fed(self, **settings: Any) -> Callable[[], None]:
        """Return a test that feeds it, as hypothesis settings say."""

        def within_bounds(**given: Any) -> None:
            if time.monotonic() > self.until:
                raise _Enough
            self.inputs += 1
            try:
                with bounded(self.seconds):
                    self.function(**given)
            except BaseException:
                self.until = math.inf  # hypothesis looks for the smallest such input, which takes its time
                raise

        within_bounds.__name__ = within_bounds.__qualname__ = f"test_{self.name}"
        within_bounds.__module__ = self.function.__module__
        within_bounds.__doc__ = self.function.__doc__
        return hypothesis.settings(**_HOW, **settings)(hypothesis.given(**self.made)(within_bounds))

    def fuzz(self, seconds: float, database: Path) -> None:
        """Feed it new inputs until the time is up, or one of them is a find, which is raised."""
        self.until = end = time.monotonic() + seconds
        store = hypothesis.database.DirectoryBasedExampleDatabase(database)
        with contextlib.suppress(_Enough):
            while time.monotonic() < end:
                self.fed(max_examples=ROUND, database=store)()


TARGETS: dict[str, Target] = {}


def target(
    examples: int, seconds: float = SLOWEST_SECONDS, **made: SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Make a function a target, and a test with so many inputs that are always the same."""

    def register(function: Callable[..., None]) -> Callable[[], None]:
        name = function.__name__.removeprefix("test_")
        assert name not in TARGETS, name
        TARGETS[name] = Target(name, function, made, seconds)
        return TARGETS[name].fed(max_examples=examples, derandomize=True, database=None)

    return register


@contextlib.contextmanager
def bounded(seconds: float = SLOWEST_SECONDS, size_bytes: int = MOST_BYTES) -> Any:
    """Fail if the block computes for too long; let it have so much more memory and no more."""

    def ring(signum: int, frame: Any) -> None:
        raise _OutOfTime

    handler = signal.signal(signal.SIGPROF, ring)  # not SIGALRM, which is that of pytest's own limit
    signal.setitimer(signal.ITIMER_PROF, seconds)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + size_bytes, limits[1]))
    try:
        yield
    except _OutOfTime:
        raise AssertionError(f"it took more than {seconds:g} s of the processor") from None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)


def works_or_says(work: Callable[[], Any]) -> Any:
    """Return what the work gives, or None where a `KactError` says in few lines what was wrong."""
    try:
        return work()
    except KactError as error:
        said = str(error)
        assert said.strip() and len(said.splitlines()) <= MOST_LINES, said
        return None


@contextlib.contextmanager
def untouched(folder: Path) -> Any:
    """Fail if a file that is below a folder before the block is another or none after it."""
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    yield
    lost = [str(file) for file, content in before.items() if not file.is_file() or file.read_bytes() != content]
    assert not lost, f"changed or lost: {lost}"
