"""Image files sorted into folders by class: found, told apart from other copies, decoded to one array.

>>> import tempfile
>>> list_classes(Path(tempfile.mkdtemp()))
{}
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kact.errors import KactError
from kact.images import FITS, open_image, to_array
from kact.spec import choose
from kact.wording import counted

Classes = dict[str, list[Path]]

UNREADABLE = ("refuse", "skip")
_SMALLEST, _LARGEST = 4, 1024  # pixels a side
_NAMED = 3  # files named where they are refused; their number is told too
_SKIPPED_NAMED = 10  # where they are skipped, and nobody is asked to mend them


class Decoded(NamedTuple):
    """What was read of files.

    Attributes:
        images: `(n, height, width, channels)`, uint8.
        labels: `(n,)`, int64.
        skipped: which files were left out, in a sentence; empty where none was.
    """

    images: np.ndarray
    labels: np.ndarray
    skipped: str


def list_classes(folder: Path, wanted: Callable[[Path], bool] = lambda file: True) -> Classes:
    """Return the files below each sub-folder of `folder`, both in the order of their names.

    Files and folders whose names begin with a dot are left out, and so are links to folders.

    Args:
        folder: with a folder a class.
        wanted: which files to list.

    Raises:
        KactError: if the folder cannot be read.
    """
    try:
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise KactError(
            f"Cannot read the folder '{folder}': {error.strerror}.", "Mend that, or give another folder."
        ) from None
    return {entry.name: [file for file in files_below(entry) if wanted(file)] for entry in inside}


def fingerprint(root: Path, files: Iterable[Path], options: Mapping[str, Any]) -> str:
    """Return a digest of names, sizes, times of change and options: other files or another size are other data.

    Of a file that cannot be looked at, such as a link to nowhere, the name counts: `decode` says what is wrong with it.
    """
    digest = hashlib.sha256(repr(sorted(options.items())).encode())
    for file in files:
        try:
            about = file.stat()
            facts = f"{about.st_size}\0{about.st_mtime_ns}"
        except OSError:
            facts = ""
        digest.update(f"{file.relative_to(root).as_posix()}\0{facts}\n".encode())
    return digest.hexdigest()


def decode(
    classes: Classes,
    labels: Sequence[str],
    shape: tuple[int, int, int],
    *,
    fit: str,
    unreadable: str,
    root: Path,
    advice: str = "Mend or remove them.",
) -> Decoded:
    """Decode every file of every class.

    Args:
        classes: files by class.
        labels: the classes' names in order; a label is an index into them.
        shape: (height, width, channels) that all are brought to.
        fit: one of `kact.images.FITS`.
        unreadable: "refuse" the whole folder, or "skip" files that are no images.
        root: left out of the names that are listed.
        advice: what to do about files that are refused.

    Raises:
        KactError: for files that cannot be read, unless they are to be skipped.
    """
    images = np.empty((sum(map(len, classes.values())), *shape), np.uint8)
    found: list[int] = []
    refused: list[str] = []
    for name, files in classes.items():
        for file in files:
            try:
                images[len(found)] = to_array(open_image(file), shape, fit)
            except KactError as error:
                reason = error.problem.replace(f"'{file}' ", "", 1).rstrip(".")
                refused.append(f"{file.relative_to(root).as_posix()} ({reason})")
            else:
                found.append(labels.index(name))
    if refused and unreadable == "refuse":
        raise KactError(f"{len(refused)} of the files in '{root}' cannot be used: {_listed(refused, _NAMED)}.", advice)
    many = f"{counted(len(refused), 'file')} in '{root}' skipped"
    skipped = f"{many}: {_listed(refused, _SKIPPED_NAMED)}." if refused else ""
    return Decoded(images[: len(found)], np.array(found, np.int64), skipped)


def check_image_options(options: Mapping[str, Any]) -> None:
    """Raise a `KactError` for the first of a task's image options that is out of range."""
    size = options["image_size"]
    if not _SMALLEST <= size <= _LARGEST:
        raise KactError.parameter("task: image_size", size, f"a whole number from {_SMALLEST} to {_LARGEST}")
    choose(options.get("fit", FITS[0]), FITS, {}, "task: fit")
    choose(options.get("unreadable", UNREADABLE[0]), UNREADABLE, {}, "task: unreadable")
    if options.get("channels", 3) not in (1, 3):
        raise KactError.parameter("task: channels", options["channels"], "1 (greys) or 3 (colours)")


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and in those below it, sorted; without hidden ones and links to folders."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _listed(files: list[str], most: int) -> str:
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return f"{', '.join(files[:most])}{more}"
