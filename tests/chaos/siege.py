"""The siege: every command undisturbed first, then every fault as often as it is told to befall it."""

import contextlib
import importlib
import shutil
import signal
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos import attempt, children
from tests.chaos.commands import Export, Report, StudyRun, Train, Tune
from tests.chaos.disk import Disk
from tests.chaos.faults import FAULTS, FLIPPED

APART = "fresh process"
# How often each fault befalls each command. A fresh process is killed, terminated, and has its clock changed so often.
LONG = {
    "train": {**dict.fromkeys(FAULTS, 10), FLIPPED: 28, APART: 2},
    "study": {**dict.fromkeys(FAULTS, 4), FLIPPED: 10, APART: 1},
    "tune": {**dict.fromkeys(FAULTS, 2), FLIPPED: 8, APART: 1},
    "export": {**dict.fromkeys(FAULTS, 1), FLIPPED: 3},
    "report": {**dict.fromkeys(FAULTS, 1), FLIPPED: 4},
}
SHORT = {
    "train": {**dict.fromkeys(FAULTS, 1), FLIPPED: 5},
    "study": {"SIGKILL": 2, "full disk": 1, FLIPPED: 2},
}


@dataclass
class Siege:
    """All attempts.

    Args:
        seed: of all random choices.
        scratch: an empty folder.
        disk: what attempts work on.
        plan: command name to fault name to how often.
    """

    seed: int
    scratch: Path
    disk: Disk
    plan: dict
    made: list = field(default_factory=list)
    numbers: Counter = field(default_factory=Counter)

    def run(self, only_command="", only_fault=""):
        """Make the attempts, or those of one command or one fault, and return them."""
        for name, faults in self.plan.items():
            if only_command in ("", name):
                command = self._ready(name)
                usual = attempt.undisturbed(command, self.scratch / f"undisturbed-{name}")
                self._tell(f"{name}: {usual.seconds:.1f} s undisturbed, changes to files {usual.changes}")
                for fault, count in faults.items():
                    if only_fault in ("", fault):
                        self._attack(command, fault, count, usual)
        return self.made

    def _attack(self, command, name, count, usual):
        if name == FLIPPED:
            self._repeat(count, command, name, partial(attempt.flip, command, self.disk, usual))
        elif name == APART:
            clock = [None] if Path(attempt.FAKE_TIME).exists() else []
            if not clock:
                self._tell("The clock of a fresh process is not changed: libfaketime is not installed.")
            for blow in (signal.SIGKILL, signal.SIGTERM, *clock):
                make = partial(attempt.apart, command, self.disk, usual, blow=blow)
                self._repeat(count, command, f"{name} {blow and blow.name}", make)
        else:
            self._repeat(count, command, name, partial(attempt.strike, command, FAULTS[name], self.disk, usual))

    def _repeat(self, count, command, name, make):
        """Make so many attempts, each with random numbers of its own."""
        made = []
        while len(made) < count:
            self.numbers[command.name, name] += 1
            number = self.numbers[command.name, name]
            try:
                one = make(dice=attempt.dice_of(self.seed, f"{command.name} {name} {number}"))
            except AssertionError as error:  # something hung
                children.end_all()
                one = attempt.Attempt(command.name, name, broken=[str(error)])
            if one is None:  # it was over before its moment came
                continue
            made.append(one)
            if one.broken:
                self._tell(f"BROKEN {one.command}, {one.fault}, {one.moment}: {one.broken}\n{one.printed[-3000:]}")
                shutil.rmtree(self.disk.place / "attempt", ignore_errors=True)
        self._tell(f"{command.name}, {name}: {count} tried, {sum(bool(one.broken) for one in made)} broken")
        self.made += made

    def _ready(self, name):
        """Return a command, after this process has imported all that it needs."""
        if name in ("export", "report"):
            maker = Train() if name == "export" else StudyRun()
            place = self._prepared(maker, f"for-{name}")
            children.start(maker.given, place).wait()
            command = Export(next(place.glob("runs/*"))) if name == "export" else Report(place / "study")
        else:
            command = {"train": Train, "study": StudyRun, "tune": Tune}[name]()
        first = self._prepared(command, f"first-{name}")
        _import(children.loaded_by(command.given, first))
        return command

    def _prepared(self, command, name):
        folder = self.scratch / name
        attempt.prepare(command, folder)
        return folder

    def _tell(self, text):
        print(text, flush=True)


def _import(modules):
    """Import what a command imported, so that children have it already; what has no name of its own is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            if name not in sys.modules and not name.startswith("__"):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
