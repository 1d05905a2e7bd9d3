"""Which networks the page has: those in the box and one's own runs, read once, each used by one thread at a time.

>>> box = Catalogue([BOX])
>>> [entry.title for entry in box.usable("words")][:1]
['tweets · gelu']
"""

from __future__ import annotations

import logging
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.familiarity import Familiarity
from demo.folders import run_directories
from kact import KactError, Predictor, Run
from kact.own_code import named_in
from kact.startup import spare_tensorflow

BOX = Path(__file__).with_name("models")
_TASKS = {"cifar10": "photographs", "twitter_pos": "tweets"}  # in words that say what to give

_OWN = {"activation": "a function", "model": "a class"}

_log = logging.getLogger(__name__)


@dataclass
class Entry:
    """One network of the page.

    Attributes:
        key: its name in requests.
        title: its name on the page: what it knows, and its activation.
        path: its run directory.
        task, network, activation: of its experiment; empty where that cannot be read.
        kind: "image" or "words".
        accuracy: on the test split, in [0, 1]; None where the run has none.
        parameters: how many weights.
        boxed: whether it came with the page.
        problem: why it cannot be used, in one sentence; empty if it can.
    """

    key: str
    title: str
    path: Path
    task: str = ""
    network: str = ""
    activation: str = ""
    kind: str = ""
    accuracy: float | None = None
    parameters: int = 0
    boxed: bool = False
    problem: str = ""
    familiarity: Familiarity | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _predictor: Predictor | None = field(default=None, repr=False)

    @property
    def loaded(self) -> bool:
        """Whether the network is in memory."""
        return self._predictor is not None

    def predictor(self) -> Predictor:
        """Return the network, read on first use; call it with `lock` held.

        Raises:
            KactError: if it cannot be used; the entry then says why.
        """
        if not self.problem and self._predictor is None:
            try:
                predictor = Predictor(self.path)
                _ = predictor.vocabulary if self.kind == "words" else None
                _ = predictor.model
                self._predictor = predictor
            except Exception as error:  # whatever a damaged or a stranger's file makes Keras raise
                _log.warning("%s cannot be used: %s", self.key, _first_line(error))
                self.problem = _why(error)
        if self._predictor is None:
            raise KactError(f"The model {self.title} cannot be used. {self.problem}")
        return self._predictor


class Catalogue:
    """The networks of the page.

    Args:
        folders: whose run directories are listed, at most four folders down; the first holds those in the box.
            Of a study's runs one a cell is listed.
        own_code: whether a run may name an activation or a model of somebody's own, which is then imported.
    """

    def __init__(self, folders: Sequence[str | Path], own_code: bool = False) -> None:
        self.entries: dict[str, Entry] = {}
        for folder in map(Path, folders):
            for path in run_directories(folder, own_code):
                entry = _entry(path, boxed=folder == BOX, own_code=own_code)
                entry.key = _unused(entry.key, self.entries)
                self.entries[entry.key] = entry

    def usable(self, kind: str) -> list[Entry]:
        """Return the entries for images ("image") or for texts ("words") that can be used."""
        return [one for one in self.entries.values() if one.kind == kind and not one.problem]

    def get(self, key: object, kind: str) -> Entry:
        """Return one entry.

        Raises:
            KactError: if there is none of that name and kind, with the names that there are.
        """
        entry = self.entries.get(key) if isinstance(key, str) else None
        if entry is None or entry.kind != kind:
            raise KactError.parameter("model", str(key)[:80], "one of", choices=[one.key for one in self.usable(kind)])
        return entry

    def load_all(self) -> None:
        """Read every network, so that the first answer is as quick as the others and broken ones are listed as such."""
        spare_tensorflow()
        for entry in list(self.entries.values()):
            if not entry.problem:
                with entry.lock:
                    try:
                        entry.predictor()
                    except KactError:
                        continue  # the entry says why


def _entry(path: Path, *, boxed: bool, own_code: bool) -> Entry:
    entry = Entry(path.name, path.name, path, boxed=boxed)
    try:
        given = tomllib.loads((path / "experiment.toml").read_text(encoding="utf-8"))
        if not own_code and (what := named_in(given)):  # naming it imports it
            entry.activation = str(given.get("activation", ""))
            entry.problem = (
                f"Its {what} is {_OWN[what]} of somebody's own, and the page was started without --own-code."
            )
            return entry
        run = Run.load(path)
        _describe(entry, run)
        if run.diverged:
            entry.problem = "It diverged: its loss stopped being a number."
        else:
            _ = run.model_path  # whether it is the file that the run wrote
            entry.familiarity = Familiarity.load(path)
    except Exception as error:  # one broken run must not take the others with it
        _log.warning("%s cannot be used: %s", path.name, _first_line(error))
        entry.problem = _why(error)
    return entry


def _describe(entry: Entry, run: Run) -> None:
    experiment, metrics = run.experiment, run.metrics
    test: dict[str, Any] = metrics.get("test") or {}
    entry.task, entry.network, entry.activation = experiment.task, experiment.model.name, experiment.activation
    entry.kind = experiment.model.input
    known = _TASKS.get(experiment.task, experiment.task)
    entry.title = (
        f"{known} · {experiment.activation}" if entry.boxed else f"{known} · {experiment.activation} · {entry.key}"
    )
    entry.accuracy = float(test["accuracy"]) if "accuracy" in test else None
    entry.parameters = int(metrics["model"]["parameters"])


def _unused(key: str, taken: dict[str, Entry]) -> str:
    number, name = 2, key
    while name in taken:
        name, number = f"{key}-{number}", number + 1
    return name


def _why(error: Exception) -> str:
    """Return a sentence for the page: what is wrong, without a path, a version or a word of Python."""
    kind = error.kind if isinstance(error, KactError) else ""
    return _REASONS.get(kind, "One of its files is missing or damaged.")


_REASONS = {  # by the kind of the error
    "own code": "Its activation or its model is code of somebody's own, which is not here or has changed.",
    "choice": "It uses a name that this page does not know, such as that of another version's model.",
    "unfinished": "Its training is not finished.",
    "unsafe": "Its model file holds code of its own, which is refused.",
}


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
