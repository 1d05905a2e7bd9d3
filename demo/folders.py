"""Which runs the page lists of a folder: plain ones all, of a study one a cell.

>>> from demo.models import BOX
>>> [path.name for path in run_directories(BOX)][:1]
['cifar10-elu']
"""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path
from typing import Any

from kact import KactError
from kact.studies import ResultRow, StudyDirectory

MOST_RUNS = 200  # that are listed of one's own
_DEEPEST = 4  # folders below --runs: a study keeps its runs in runs/NAME/runs/LABEL
_STUDY = ("study.toml", "results.sqlite")
_SETTINGS = ("base", "grid", "zip", "tune")  # tables of a study's file that its experiments are made of

_log = logging.getLogger(__name__)


def run_directories(folder: Path, own_code: bool = False) -> list[Path]:
    """Return the run directories below a folder that are worth a place on the page, in order of their names.

    Of a study's they are the compared ones, one for each activation with its settings: the best on validation. Where
    its results cannot be read they are all that it has.

    Args:
        folder: to look in, four folders down.
        own_code: whether a study may name code of somebody's own, which is then imported. Of one that may not, runs
            are listed too that were part of it once.
    """
    found: list[Path] = []
    level = [folder]
    for _ in range(_DEEPEST):
        below: list[Path] = []
        for one in level:
            if _has_run(one):
                found.append(one)
            elif (best := _best_of_study(one, own_code)) is not None:
                found += best
            else:
                below += _folders(one)
        level = below
    return sorted(found)[:MOST_RUNS]


def _best_of_study(folder: Path, own_code: bool) -> list[Path] | None:
    """Return the best run of each cell; None where the folder is no study's, or its results cannot be read."""
    if not all((folder / name).is_file() for name in _STUDY):
        return None
    there = {f"runs/{path.name}": path for path in _folders(folder / "runs") if _has_run(path)}
    try:
        rows = _compared(StudyDirectory(folder), own_code)
    except KactError as error:
        _log.warning("%s", error)
        return None
    best: dict[str, ResultRow] = {}  # by the experiment's hash, which its seed has no part in
    for row in rows:
        if row.path in there and (row.hash not in best or _merit(row) > _merit(best[row.hash])):
            best[row.hash] = row
    return [there[row.path] for row in best.values()]


def _compared(study: StudyDirectory, own_code: bool) -> list[ResultRow]:
    """Return the compared runs of a study as it is; where its file cannot be used, all that it ever compared."""
    try:
        if own_code or not _names_code(study.path / "study.toml"):
            return [row for row in study.rows() if row.stage == "compare"]
    except KactError as error:
        _log.warning("%s", error)
    return study.table.rows("compare")


def _names_code(file: Path) -> bool:
    """Return whether a study may name code of somebody's own, which its experiments would import when they are made."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False  # such a file makes no experiment
    return _has_colon([given.get(name) for name in _SETTINGS])


def _has_colon(value: Any) -> bool:
    if isinstance(value, str):
        return ":" in value  # as `module:name` has; a path may, too
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_has_colon, parts))


def _merit(row: ResultRow) -> tuple[bool, float]:
    """Return what is the greater the better a run is: whether it came to its end, and its score on validation."""
    by_loss = row.experiment.get("monitor") == "loss"
    score = row.score("validation", "loss" if by_loss else "accuracy")
    if score is None:  # of a run that learned from validation's examples too
        return row.status == "finished", float("-inf")
    return row.status == "finished", -score if by_loss else score


def _has_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("experiment.toml", "metrics.json", "model.keras"))


def _folders(path: Path) -> list[Path]:
    try:
        return [one for one in path.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:
        return []
