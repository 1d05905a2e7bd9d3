"""The siege: every command undisturbed first, then every fault as often as it is told to befall it."""

import contextlib
import dataclasses
import importlib
import json
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
        results: a file of attempts, written after each kind; a siege that was cut off goes on after them.
    """

    seed: int
    scratch: Path
    disk: Disk
    plan: dict
    results: Path | None = None
    made: list = field(default_factory=list)
    numbers: Counter = field(default_factory=Counter)

    def run(self, only_command="", only_fault=""):
        """Make the attempts, or those of one command or one fault, and return them and those made before."""
        if self.results is not None and self.results.exists():
            self.made = [attempt.Attempt(**one) for one in json.loads(self.results.read_text())]
        for name, faults in self.plan.items():
            asked = {fault: count for fault, count in faults.items() if only_fault in ("", fault)}
            if only_command in ("", name) and any(self._missing(name, fault) for fault in asked):
                command = self._ready(name)
                usual = attempt.undisturbed(command, self.scratch / f"undisturbed-{name}")
                self._tell(f"{name}: {usual.seconds:.1f} s undisturbed, changes to files {usual.changes}")
                for fault, count in asked.items():
                    self._attack(command, fault, count, usual)
        return self.made

    def _missing(self, command, fault):
        """Return which kinds of a fault an earlier siege with this seed has not made, as attempts name them."""
        kinds = [attempt.apart_name(blow) for blow in self._blows] if fault == APART else [fault]
        there = {one.fault for one in self.made if (one.seed, one.command) == (self.seed, command)}
        return [kind for kind in kinds if kind not in there]

    @property
    def _blows(self):
        """What befalls fresh processes."""
        return (signal.SIGKILL, signal.SIGTERM, *([None] if Path(attempt.FAKE_TIME).exists() else []))

    def _attack(self, command, name, count, usual):
        missing = self._missing(command.name, name)
        if not missing:
            return
        if name == FLIPPED:
            self._repeat(count, command, name, partial(attempt.flip, command, self.disk, usual))
        elif name == APART:
            if None not in self._blows:
                self._tell("The clock of a fresh process is not changed: libfaketime is not installed.")
            for blow in self._blows:
                if attempt.apart_name(blow) in missing:
                    make = partial(attempt.apart, command, self.disk, usual, blow=blow)
                    self._repeat(count, command, attempt.apart_name(blow), make)
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
            one.seed = self.seed
            made.append(one)
            if one.broken:
                self._tell(f"BROKEN {one.command}, {one.fault}, {one.moment}: {one.broken}\n{one.printed[-3000:]}")
                shutil.rmtree(self.disk.place / "attempt", ignore_errors=True)
        self._tell(f"{command.name}, {name}: {count} tried, {sum(bool(one.broken) for one in made)} broken")
        self.made += made
        if self.results is not None:
            self.results.write_text(json.dumps([dataclasses.asdict(one) for one in self.made], indent=1))

    def _ready(self, name):
        """Return a command, after this process has imported all that it needs."""
        if name in ("export", "report"):
            maker = Train() if name == "export" else StudyRun()
            place = self._prepared(maker, f"for-{name}")
            children.start(maker.given, place).wait()
            command = Export(next(place.glob("runs/*"))) if name == "export" else Report(place / "study")
        else:
            command = {"train": Train, "study": StudyRun, "tune": Tune}[name]()
        if command.workers:  # which train; another user may not read the interpreter's own files
            _import(children.loaded_by(Train().given, self._prepared(Train(), f"trained-{name}")))
        _import(children.loaded_by(command.given, self._prepared(command, f"first-{name}")))
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
