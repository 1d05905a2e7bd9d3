"""ResultsTable: one row a finished run of a study, in SQLite, written one transaction a run.

A crash at any moment leaves whole rows, and others read while a study runs (SQLite's write-ahead log,
https://www.sqlite.org/wal.html). SQLite notices no changed value, so each row has a checksum of its own. Run
directories are the source: a table that is lost is filled again from them, without training, when the study runs again.

>>> import tempfile
>>> table = ResultsTable(Path(tempfile.mkdtemp()) / "results.sqlite")
>>> table.add(ResultRow("1a2b", 0, "compare", {"activation": "relu"}, {"task": "digits"}, "failed", error="no disk"))
>>> [row.seed for row in table.rows("compare")]
[0]
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kact.errors import KactError
from kact.settings import frozen
from kact.studies.row import ResultRow, row_fault

VERSION = 2
_UNSEALED = 1  # the version without checksums; the first `add` or `check` brings it to this one

_JSON = ("cell", "experiment", "metrics", "history")
_COLUMNS = tuple(field.name for field in dataclasses.fields(ResultRow))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    stage TEXT NOT NULL, hash TEXT NOT NULL, seed INTEGER NOT NULL, cell TEXT NOT NULL, experiment TEXT NOT NULL,
    status TEXT NOT NULL, metrics TEXT NOT NULL, history TEXT NOT NULL, error TEXT NOT NULL, path TEXT NOT NULL,
    attempts INTEGER NOT NULL, finished_at REAL NOT NULL, sha256 TEXT, UNIQUE (stage, hash, seed)
)"""
# A finished run never changes; one that failed may be tried again.
_INSERT = """
INSERT INTO runs ({names}, sha256) VALUES ({marks}, ?)
ON CONFLICT (stage, hash, seed) DO UPDATE SET {changes} WHERE runs.status = 'failed'"""
_REBUILD = (
    "Move it away and give `kact study run` again: finished runs are taken from their directories, not trained anew."
)


class ResultsTable:
    """A study's results on disk. Every call opens the file and closes it, so that no process holds it between rows.

    Args:
        path: of the SQLite file; the first `add` makes it.
        timeout_seconds: how long to wait for another process that is writing.
    """

    def __init__(self, path: str | Path, timeout_seconds: float = 30.0) -> None:
        self.path = Path(path)
        self.timeout_seconds = timeout_seconds

    def rows(self, stage: str | None = None) -> list[ResultRow]:
        """Return the rows in the order in which they were written, of one stage or of both.

        Raises:
            KactError: if the file is damaged, locked or of another version. None at all gives no rows.
        """
        stored = self._read_all()
        try:
            found = [_row(dict(zip(_COLUMNS, one, strict=True))) for one in stored]
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise KactError(f"The results in '{self.path}' are damaged: {error}.", _REBUILD) from error
        return [row for row in found if stage in (None, row.stage)]

    def statuses(self) -> dict[tuple[str, str, int], str]:
        """Return the status of each run by (stage, hash, seed), without reading what it brought."""
        if not self._is_begun():
            return {}
        with self._explained(), contextlib.closing(self._open_to_read()) as connection:
            if self._check_version(connection) == 0:
                return {}
            found = connection.execute("SELECT stage, hash, seed, status FROM runs").fetchall()
            return {(stage, digest, seed): status for stage, digest, seed, status in found}

    def add(self, row: ResultRow) -> None:
        """Write one row; one that is there already stays as it is, unless it failed.

        Raises:
            KactError: if the file cannot be written, or is damaged, locked or of another version.
        """
        values = [_stored(name, getattr(row, name)) for name in _COLUMNS]
        changes = ", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, "sha256"))
        marks = ", ".join("?" * len(_COLUMNS))
        statement = _INSERT.format(names=", ".join(_COLUMNS), marks=marks, changes=changes)
        with self._explained(), contextlib.closing(self._connect()) as connection, connection:
            connection.execute(statement, [*values, _digest(values)])

    def check(self) -> None:
        """Make the table if there is none, and read all of it once.

        Raises:
            KactError: if it is damaged, locked, read-only or of another version.
        """
        self.rows()
        with self._explained(), contextlib.closing(self._connect()) as connection:
            _check_pages(connection)
            with connection:  # takes the lock for writing, which a read-only file refuses
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def _connect(self) -> sqlite3.Connection:
        """Open the file for writing, and make its table where it has none."""
        connection = sqlite3.connect(self.path, timeout=self.timeout_seconds)
        try:
            version = self._check_version(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a row that is told of survives a power cut
            if version == _UNSEALED:
                _seal(connection)
            elif version != VERSION:  # in one transaction: nobody sees a table without its version
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_all(self) -> list[tuple[Any, ...]]:
        """Return the columns of all rows in the order of writing, each as its checksum says."""
        if not self._is_begun():
            return []
        with self._explained(), contextlib.closing(self._open_to_read()) as connection:
            version = self._check_version(connection)
            if version == 0:
                return []
            _check_pages(connection)  # SQLite itself does not miss a row that a damaged page has lost
            noted = "sha256" if version == VERSION else "NULL"
            statement = f"SELECT {', '.join(_COLUMNS)}, {noted} FROM runs NOT INDEXED ORDER BY rowid"
            found: list[tuple[Any, ...]] = []
            for *values, digest in connection.execute(statement):
                if digest is not None and digest != _digest(values):
                    raise sqlite3.DatabaseError(f"the checksum of row {len(found) + 1} does not fit its content")
                found.append(tuple(values))
            return found

    def _is_begun(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0  # empty is what a crash in its first moment leaves

    def _open_to_read(self) -> sqlite3.Connection:
        # Reading a write-ahead log makes a file beside it, which a folder that cannot be written refuses.
        frozen_folder = not os.access(self.path.parent, os.W_OK) and not Path(f"{self.path}-wal").exists()
        mode = "immutable=1" if frozen_folder else "mode=ro"
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?{mode}", uri=True, timeout=self.timeout_seconds)

    def _check_version(self, connection: sqlite3.Connection) -> int:
        # In this order: another process may make the table, and note its version with it, between the two.
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in (VERSION, _UNSEALED) and (version or tables):
            raise KactError(
                f"The results in '{self.path}' are of version {version}, and this kact reads version {VERSION}.",
                _REBUILD,
            )
        return version

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into one that says how to go on."""
        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:  # the latter of a damaged name in the file
            name = getattr(error, "sqlite_errorname", "") or ""
            if "BUSY" in name or "LOCKED" in name:
                raise KactError(
                    f"Another process has locked the results in '{self.path}' for {self.timeout_seconds:g} s.",
                    "Wait for it to end, or end it; finished runs are safe in their directories.",
                ) from error
            if any(word in name for word in ("READONLY", "CANTOPEN", "FULL", "IOERR", "PERM", "AUTH")):
                raise KactError(
                    f"Cannot write or read the results in '{self.path}': {error}.",
                    "Free some space, or make it writable; finished runs are kept, and the same command goes on.",
                ) from error
            raise KactError(f"The results in '{self.path}' are damaged: {error}.", _REBUILD) from error


def _check_pages(connection: sqlite3.Connection) -> None:
    """Raise if the file's pages, or the index that keeps a run from being there twice, are not sound."""
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split())[:200])  # SQLite tells of every page


def _seal(connection: sqlite3.Connection) -> None:
    """Give the rows of a table from before there were checksums theirs."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == _UNSEALED:  # another process may just have
            connection.execute("ALTER TABLE runs ADD COLUMN sha256 TEXT")
            for rowid, *values in connection.execute(f"SELECT rowid, {', '.join(_COLUMNS)} FROM runs").fetchall():
                connection.execute("UPDATE runs SET sha256 = ? WHERE rowid = ?", (_digest(values), rowid))
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _digest(values: Sequence[Any]) -> str:
    """Return the SHA-256 of a row as SQLite keeps it."""
    return hashlib.sha256(json.dumps(values, default=repr).encode()).hexdigest()


def _stored(name: str, value: Any) -> Any:
    """Return a row's value as SQLite keeps it."""
    return json.dumps(_without_nan(value), allow_nan=False) if name in _JSON else value


def _row(stored: Mapping[str, Any]) -> ResultRow:
    values = {name: json.loads(value) if name in _JSON else value for name, value in stored.items()}
    if wrong := row_fault(values):
        raise ValueError(wrong)
    values["cell"] = {name: frozen(value) for name, value in values["cell"].items()}
    values["history"] = [  # JSON has no NaN
        {name: math.nan if value is None else value for name, value in epoch.items()} for epoch in values["history"]
    ]
    return ResultRow(**values)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return value
