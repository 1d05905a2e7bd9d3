"""Decoded arrays on disk, so that a data set is decoded once a machine and not once a run.

A folder for each copy of each data set, `KACT_CACHE_DIR/task/version-fingerprint`, holds one `.npy` an array and a
`manifest.json` with the SHA-256 of each, and what the reader should be told each time. The manifest is written last
and nothing is believed without it; arrays are memory-mapped, so that parallel workers share one copy in memory. A cache
that cannot be used costs time, never a run.

>>> from kact.tasks.digits import DIGITS
>>> load_arrays(DIGITS).raw.test_inputs.shape
(359, 8, 8, 1)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kact.errors import KactError
from kact.storage.files import DAMAGED_ARRAYS, locked
from kact.tasks.task import RawArrays, Task

_MANIFEST = "manifest.json"
_NAMES = ("train_inputs", "train_labels", "test_inputs", "test_labels")
_OPTIONAL = ("validation_rows",)
_log = logging.getLogger("kact")


class Loaded(NamedTuple):
    """Arrays and where they came from.

    Attributes:
        raw: read-only arrays, memory-mapped where they are cached.
        version: the data set's own version.
        fingerprint: SHA-256 hex digest of all arrays, the same with and without a cache.
    """

    raw: RawArrays
    version: str
    fingerprint: str


class _Damaged(Exception):
    """A cached file that is not what the manifest says."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


def load_arrays(task: Task) -> Loaded:
    """Return a task's arrays, from the cache if it has a sound copy; read them and put them there if not.

    What is remarked of them, such as files that were left out, is logged either way.

    Args:
        task: its `identify` is called each time, its `read` only when the cache does not serve.

    Raises:
        KactError: if the source cannot be read; where a damaged cache was the reason to read it, the file is named.
    """
    loaded = _load(task)
    for remark in loaded.raw.remarks:
        _log.warning("%s", remark)
    return loaded


def _load(task: Task) -> Loaded:
    version, source = task.identify()
    root = cache_root()
    if root is None:
        return _uncached(task, version, "no home folder is set")
    folder = root / task.name / f"{version}-{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    with contextlib.suppress(_Damaged):  # no lock here: a sound cache may lie in a folder that cannot be written
        if cached := _open(folder):
            return Loaded(cached[0], version, _fingerprint(cached[1]))
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder.with_name(f"{folder.name}.lock")))
        except (OSError, NotImplementedError) as error:  # the latter where a file system knows no locks
            return _uncached(task, version, f"{root} cannot be used: {getattr(error, 'strerror', None) or error}")
        return _fill(task, folder, version)


def cache_root() -> Path | None:
    """Return the folder of kact's cache: `KACT_CACHE_DIR`, else the platform's place for caches; None if there is none.

    Example:
        >>> root = cache_root()
        >>> root is None or root.is_absolute()
        True
    """
    if given := os.environ.get("KACT_CACHE_DIR"):
        return Path(os.path.abspath(os.path.expanduser(given)))
    import platformdirs

    try:
        root = platformdirs.user_cache_path("kact", appauthor=False)
    except RuntimeError:  # no home folder; earlier versions of platformdirs leave the "~" as it is
        return None
    return root if root.is_absolute() else None


def _fill(task: Task, folder: Path, version: str) -> Loaded:
    """Put the task's arrays into `folder`, whose lock the caller holds, unless another process just did."""
    damaged: _Damaged | None = None
    try:
        if cached := _open(folder):
            return Loaded(cached[0], version, _fingerprint(cached[1]))
    except _Damaged as error:
        damaged = error
        _log.warning("The cached file %s is damaged; %s is decoded anew.", error.path, task.name)
    try:
        raw = _read(task)
    except KactError as error:
        if damaged is None:
            raise
        raise KactError(
            f"The cached file {damaged.path} is damaged and cannot be rebuilt: {error.problem}", error.next_step
        ) from error
    described = {name: _describe(array) for name, array in raw.named().items()}
    try:
        _write(folder, raw, described)
        if cached := _open(folder):
            raw = cached[0]
    except OSError as error:
        reason = error.strerror or error
        _log.warning("%s is not cached in %s: %s. It is decoded on each run.", task.name, folder.parent, reason)
    except _Damaged as error:
        _log.warning("%s reads back wrong right after it was written; %s is not cached.", error.path, task.name)
    return Loaded(raw, version, _fingerprint(described))


def _uncached(task: Task, version: str, reason: str) -> Loaded:
    _log.warning("%s is not cached, as %s. Set KACT_CACHE_DIR to save decoding it on each run.", task.name, reason)
    raw = _read(task)
    return Loaded(raw, version, _fingerprint({name: _describe(array) for name, array in raw.named().items()}))


def _read(task: Task) -> RawArrays:
    raw = task.read()
    task.check(raw)
    for array in raw.named().values():
        array.setflags(write=False)  # like the memory map: several splits look at it
    return raw


def _describe(array: np.ndarray) -> dict[str, Any]:
    """Return what the manifest says of an array: shape, dtype and the SHA-256 of its values in C order."""
    content = np.ascontiguousarray(array).view(np.uint8).reshape(-1).data
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": hashlib.sha256(content).hexdigest()}


def _fingerprint(described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _open(folder: Path) -> tuple[RawArrays, dict[str, Any]] | None:
    """Return the verified arrays of a cache folder and their descriptions, or None if it holds no finished cache.

    Raises:
        _Damaged: for the first file that is missing, unreadable or not what the manifest says.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        listed = manifest["arrays"]
        stated = {name: listed[name] for name in (*_NAMES, *(name for name in _OPTIONAL if name in listed))}
        remarks = tuple(map(str, manifest.get("remarks", ())))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _Damaged(folder / _MANIFEST) from error
    arrays = {}
    for name, description in stated.items():
        path = folder / f"{name}.npy"
        try:
            array = np.lib.format.open_memmap(path, mode="r")  # np.load would try other formats too, and leak the file
            if _describe(array) != description:
                raise _Damaged(path)
        except (*DAMAGED_ARRAYS, Warning) as error:  # warnings, where they are errors
            raise _Damaged(path) from error
        arrays[name] = array
    return RawArrays(**arrays, remarks=remarks), stated


def _write(folder: Path, raw: RawArrays, described: Mapping[str, Any]) -> None:
    """Write arrays and manifest, each under another name first; leave nothing half-written, whatever happens."""
    targets = {f"{name}.npy": array for name, array in raw.named().items()}
    try:
        for name, array in targets.items():
            with (folder / f"{name}.tmp").open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
        manifest = json.dumps({"arrays": described, "remarks": raw.remarks}, indent=2)
        (folder / f"{_MANIFEST}.tmp").write_text(f"{manifest}\n", encoding="utf-8")
        (folder / _MANIFEST).unlink(missing_ok=True)  # one that vouches for the arrays about to be replaced
        for name in (*targets, _MANIFEST):
            os.replace(folder / f"{name}.tmp", folder / name)
    finally:
        for leftover in folder.glob("*.tmp"):  # under the lock, so they are nobody else's
            with contextlib.suppress(OSError):
                leftover.unlink()
