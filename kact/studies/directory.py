"""StudyDirectory: where a study keeps what it finds: `study.toml`, `results.sqlite` and `runs/`.

>>> import tempfile
>>> StudyDirectory(Path(tempfile.mkdtemp())).is_running()
False
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kact.errors import KactError
from kact.settings import thawed
from kact.storage.files import atomic, explained, held
from kact.storage.seals import sealed_toml
from kact.studies.results import ResultsTable
from kact.studies.row import ResultRow
from kact.studies.study import Study
from kact.studies.study_file import load_study, to_toml
from kact.studies.tune import choose_settings

_MOST, _LONGEST = 3, 60  # differences in an error, and characters of a value there


@dataclass(frozen=True)
class StudyDirectory:
    """The directory of a study, while it runs and afterwards.

    Example:
        >>> StudyDirectory(Path("no/such/study")).study()
        Traceback (most recent call last):
        kact.errors.KactError: There is no study in 'no/such/study': it holds no study.toml.
        Give the directory of a study that was begun, such as runs/tweets-window.
    """

    path: Path

    @property
    def runs(self) -> Path:
        """The directory of its runs."""
        return self.path / "runs"

    @property
    def log(self) -> Path:
        """What libraries print in its workers."""
        return self.path / "workers.log"

    @property
    def table(self) -> ResultsTable:
        """Its results."""
        return ResultsTable(self.path / "results.sqlite")

    def study(self) -> Study:
        """Return the study as it was run.

        Raises:
            KactError: if none was begun here, or its file is damaged.
        """
        if not (self.path / "study.toml").is_file():
            raise KactError(
                f"There is no study in '{self.path}': it holds no study.toml.",
                "Give the directory of a study that was begun, such as runs/tweets-window.",
            )
        return load_study(self.path)

    def rows(self) -> list[ResultRow]:
        """Return the rows that belong to the study as it is.

        The table keeps others too: of seeds that it had before, and of settings that tuning does not choose any more.

        Raises:
            KactError: if none was begun here, or a file is damaged.
        """
        study, found = self.study(), self.table.rows()
        seeds = {"compare": study.seeds, "tune": () if study.tune is None else study.tune.seeds}
        rows = [row for row in found if row.seed in seeds[row.stage]]
        if study.tune is None:
            return rows
        chosen = {group: one for group, one in choose_settings(study, rows).items() if one is not None}
        tuned = {name.partition(".")[0] for name in study.tune.grid}  # model.SIZE is in model
        wanted = {
            frozenset(cell.items()): {name: experiment.to_dict().get(name) for name in tuned}
            for cell, experiment in study.replace(seeds=study.seeds[:1]).experiments("compare", chosen)
            if study.tune.group(cell, study.compare) in chosen
        }

        def fits(row: ResultRow) -> bool:
            settings = wanted.get(frozenset(row.cell.items()))
            return row.stage == "tune" or settings in (None, {name: row.experiment.get(name) for name in tuned})

        fitting = [row for row in rows if fits(row)]
        newest: dict[
            tuple[Any, ...], ResultRow
        ] = {}  # where nothing is chosen yet, there may be rows of earlier choices
        for row in sorted(fitting, key=lambda row: row.finished_at):
            newest[row.stage, frozenset(row.cell.items()), row.seed] = row
        kept = {id(row) for row in newest.values()}
        return [row for row in fitting if id(row) in kept]

    @contextlib.contextmanager
    def opened(self, study: Study) -> Iterator[None]:
        """Make the directory this study's and this process's for the length of a block.

        A study that differs only in its seeds, in values added to its factors or to what is tuned, or in words, takes
        the place of the one that is there; any other does where none of that one's runs was begun, as when its data was
        not to be found.

        Raises:
            KactError: if it cannot be written, holds another study, or another process works on it.
        """
        busy = KactError(
            f"Another process is running the study in '{self.path}'.",
            f"See how far it is with `kact study status {self.path}`, or choose another --out.",
        )
        with held(self.path, busy):
            file = self.path / "study.toml"
            differ = differences(self.study(), study, added=False) if file.exists() else []
            if differ and not self._is_untouched():
                more = f"; and {len(differ) - _MOST} more" if len(differ) > _MOST else ""
                raise KactError(
                    f"'{self.path}' holds another study: {'; '.join(differ[:_MOST])}{more}.",
                    "Choose another --out, or move it away. To [grid], [[zip]] and [tune] values may be added only.",
                )
            with atomic(file) as temporary:
                temporary.write_text(sealed_toml(to_toml(study)), encoding="utf-8")
            with explained(self.runs):
                self.runs.mkdir(exist_ok=True)
            self._stop.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._stop.unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Return whether some process works on it."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with FileLock(self.path / ".lock", timeout=0):
                return False
        except Timeout:
            return True

    def ask_to_stop(self, timeout_seconds: float = 60.0) -> bool:
        """Ask the process that works on it to stop, from any machine that sees the directory; wait until it has.

        Returns:
            Whether there was one.

        Raises:
            KactError: if it has not stopped in time.
        """
        if not self.is_running():
            return False
        with explained(self._stop):
            self._stop.touch()
        end = time.monotonic() + timeout_seconds
        while self.is_running():
            if time.monotonic() > end:
                raise KactError(
                    f"The study in '{self.path}' has not stopped yet.", "Wait a little, or end its process."
                )
            time.sleep(0.1)
        return True

    def stop_is_asked(self) -> bool:
        """Return whether `ask_to_stop` was called while it runs."""
        return self._stop.exists()

    def _is_untouched(self) -> bool:
        """Return whether it holds neither a result nor a run that was begun."""
        return not self.table.rows() and not (self.runs.is_dir() and any(self.runs.iterdir()))

    @property
    def _stop(self) -> Path:
        return self.path / "stop"


def definition(study: Study) -> dict[str, Any]:
    """Return what decides which runs a study has, but for its seeds; the rest is words."""
    tune: dict[str, Any] = {}
    if study.tune is not None:
        about = {"seeds": study.tune.seeds, "within": study.tune.within, "epochs": study.tune.epochs}
        tune = {**study.tune.grid, **{name: value for name, value in about.items() if value}}
    parts = (study.base, study.grid, study.zips, tune, study.compare, study.continue_epochs, study.quick)
    names = ("base", "grid", "zip", "tune", "compare", "continue_epochs", "quick")
    return {name: thawed(part) for name, part in zip(names, parts, strict=True)}


def differences(there: Study, here: Study, added: bool = True) -> list[str]:
    """Return in words where the definitions of two studies differ; nothing where they are the same.

    Args:
        there: the study that was begun.
        here: the one to go on with.
        added: count values too that only `here` has, of a factor that both have.

    Example:
        >>> begun = Study(base={"task": "digits"}, grid={"activation": ["relu", "elu"]})
        >>> differences(begun, begun.replace(base={"task": "digits", "epochs": 4}))
        ['[base] epochs is not given there and 4 here']
        >>> differences(begun, begun.replace(grid={"activation": ["relu", "mish", "elu"]}), added=False)
        []
    """
    before, now = _flat(definition(there)), _flat(definition(here))
    found = []
    for name in {**before, **now}:
        if before.get(name) != now.get(name) and (added or not _only_added(name, before.get(name), now.get(name))):
            one, other = _told(before, name), _told(now, name)
            found.append(f"{name} differs" if one == other else f"{name} is {one} there and {other} here")
    return found


def _only_added(name: str, before: Any, now: Any) -> bool:
    """Return whether an entry of a definition differs by values that were added: every run of before is still one."""
    if name == "zip":
        return len(before) == len(now) and all(
            one.keys() == other.keys() and _has_all(_rows(other), _rows(one))
            for one, other in zip(before, now, strict=True)
        )
    factor = name.startswith(("[grid]", "[tune]")) and name != "[tune] within"
    return factor and isinstance(before, list) and isinstance(now, list) and _has_all(now, before)


def _has_all(values: list[Any], wanted: list[Any]) -> bool:
    return all(one in values for one in wanted)


def _rows(group: dict[str, list[Any]]) -> list[list[Any]]:
    return [list(row) for row in zip(*(group[name] for name in sorted(group)), strict=True)]


def _flat(defined: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with the entries of its tables beside what is no table."""
    tables = {name: part if isinstance(part, dict) else None for name, part in defined.items()}
    entries = {f"[{name}] {key}": value for name, part in tables.items() for key, value in (part or {}).items()}
    return entries | {name: defined[name] for name, part in tables.items() if part is None}


def _told(defined: dict[str, Any], name: str) -> str:
    text = str(defined.get(name, "not given"))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
