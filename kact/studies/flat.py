"""Flat tables of a study's results, a line a run or a line an epoch, as CSV or Parquet.

>>> row = ResultRow("1a2b", 0, "compare", {"activation": "relu"}, {"task": "digits"}, "failed", error="no disk")
>>> flat_runs([row])[0]["cell.activation"], flat_runs([row])[0]["test.accuracy"]
('relu', None)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kact.errors import KactError
from kact.runs.history import write_rows
from kact.settings import thawed
from kact.storage.files import atomic
from kact.studies.row import ResultRow
from kact.studies.study import SCORES

_SPLITS = ("train", "validation", "test")
_TIMING = ("train_seconds", "inference_seconds_for_10000")

Line = dict[str, Any]


def flat_runs(rows: Sequence[ResultRow]) -> list[Line]:
    """Return a line a run: its cell, settings, scores (fractions), seconds, and what came in its way.

    Of runs that tune, the scores on test are left out.
    """
    return _filled([_run_line(row) for row in rows])


def flat_epochs(rows: Sequence[ResultRow]) -> list[Line]:
    """Return a line an epoch of each run: its cell, and what `history.csv` has."""
    return _filled([{**_key(row), **epoch} for row in rows for epoch in row.history])


def write(rows: Sequence[ResultRow], path: Path, epochs: bool = False) -> int:
    """Write a flat table and return how many lines it has.

    Args:
        rows: of a results table.
        path: ends in .csv or .parquet.
        epochs: a line an epoch in place of a line a run.

    Raises:
        KactError: for another ending, nothing to write, a missing extra, or a place that cannot be written.
    """
    lines = flat_epochs(rows) if epochs else flat_runs(rows)
    if not lines:
        raise KactError("There are no results yet.", "Run the study first: kact study run")
    if path.suffix == ".csv":
        write_rows(path, lines)
    elif path.suffix == ".parquet":
        _write_parquet(lines, path)
    else:
        raise KactError.parameter("out", str(path), "a file that ends in .csv or .parquet")
    return len(lines)


def _write_parquet(lines: list[Line], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise KactError("Parquet needs pyarrow, which is not installed.", "pip install 'kact[report]'") from None
    columns = {name: [line[name] for line in lines] for name in lines[0]}
    for name, values in columns.items():
        if _mixed(values):
            columns[name] = [None if value is None else str(value) for value in values]
    with atomic(path) as temporary:
        parquet.write_table(pyarrow.table(columns), temporary)


def _mixed(values: list[Any]) -> bool:
    """Return whether text stands beside numbers, which a column of Parquet cannot hold."""
    return len({isinstance(value, str) for value in values if value is not None}) > 1


def _key(row: ResultRow) -> Line:
    cell = {
        f"cell.{name}": str(thawed(value)) if isinstance(value, tuple) else value for name, value in row.cell.items()
    }
    return {"stage": row.stage, "hash": row.hash, "seed": row.seed, **cell}


def _run_line(row: ResultRow) -> Line:
    metrics = row.metrics or {}
    line = _key(row) | {"status": row.status, "error": row.error, "attempts": row.attempts, "path": row.path}
    settings = {name: value for name, value in row.experiment.items() if name not in ("model", "seed")}
    line["experiment.model"] = row.experiment.get("model", {}).get("name")
    line |= {f"experiment.{name}": str(value) if isinstance(value, list) else value for name, value in settings.items()}
    hidden = "test" if row.stage == "tune" else None  # so that nobody selects by it
    scores = {(split, name): row.score(split, name) for split in _SPLITS for name in SCORES}
    line |= {f"{split}.{name}": None if split == hidden else score for (split, name), score in scores.items()}
    line |= {name: metrics.get("timing", {}).get(name) for name in _TIMING}
    line |= {name: metrics.get(name) for name in ("epochs", "best_epoch", "kept_epoch", "stopped_by")}
    provenance: Mapping[str, Any] = metrics.get("provenance", {})
    line |= {name: provenance.get(name) for name in ("backend", "device")}
    return line | {"parameters": metrics.get("model", {}).get("parameters"), "finished_at": row.finished_at}


def _filled(lines: list[Line]) -> list[Line]:
    """Return lines that all have the columns of each."""
    names = dict.fromkeys(name for line in lines for name in line)
    return [{name: line.get(name) for name in names} for line in lines]
