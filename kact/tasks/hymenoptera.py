"""hymenoptera: 244 + 153 photographs of ants and bees, the small set of PyTorch's tutorial on transfer learning.

Source: https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html; photographs from ImageNet. They lie
where TFDS has its hand-placed files, `TFDS_DATA_DIR/downloads/manual/hymenoptera_data`, and are fetched to there once.
The published `val` is the test split here, because kact cuts its own validation split from train.

Each is brought to 224x224 pixels, or to what `--task "hymenoptera(image_size=64)"` says: the largest middle square,
made smaller.

>>> HYMENOPTERA.labels
('ants', 'bees')
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from kact.errors import KactError
from kact.storage.downloads import download
from kact.storage.files import explained
from kact.tasks.image_files import Classes, check_image_options, decode, fingerprint, list_classes
from kact.tasks.prepared import data_dir
from kact.tasks.task import Identity, RawArrays, Task

_URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
_FOLDER = "hymenoptera_data"
_LABELS = ("ants", "bees")
_COUNTS = {"train": 244, "val": 153}  # as published; copies with one or two photographs less are about
_LARGEST_FILE = 20_000_000  # bytes of one photograph; an archive that claims more is not this one
_log = logging.getLogger("kact")


def _folder() -> Path:
    return data_dir(os.environ) / "downloads" / "manual" / _FOLDER


def _identify(options: Mapping[str, Any]) -> Identity:
    root = _folder()
    if not root.exists():
        _fetch(root)
    files = [file for part in _COUNTS for listed in _classes(root, part).values() for file in listed]
    return Identity("1.0", fingerprint(root, files, options))


def _read(options: Mapping[str, Any]) -> RawArrays:
    root, shape = _folder(), (options["image_size"], options["image_size"], 3)
    parts = {part: _classes(root, part) for part in _COUNTS}
    counts = {part: sum(map(len, classes.values())) for part, classes in parts.items()}
    if counts != _COUNTS:
        _log.warning("'%s' holds %s photographs; the published set has %s.", root, counts, _COUNTS)
    train, test = (
        decode(classes, _LABELS, shape, fit=HYMENOPTERA.fit, unreadable="refuse", root=root)[:2]
        for classes in parts.values()
    )
    return RawArrays(*train, *test)


def _classes(root: Path, part: str) -> Classes:
    """Return the photographs of `train` or `val`, after a check that there are some of ants and of bees."""
    found = list_classes(root / part, wanted=lambda file: file.suffix == ".jpg")  # a GIF says "image not found"
    if tuple(name for name, files in found.items() if files) != _LABELS:
        raise KactError(
            f"'{root / part}' should hold folders of photographs (.jpg) named ants and bees.",
            f"Copy it again, or delete '{root}' and kact fetches it once more.",
        )
    return found


def _fetch(root: Path) -> None:
    """Fetch the archive and unpack its photographs; nobody has published its SHA-256, so what came is written down."""
    with explained(root.parent):
        root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".hymenoptera-") as made:
        archive = Path(made) / "hymenoptera_data.zip"
        advice = f"Unpack {_URL} into '{root.parent}' yourself, or connect to the network once."
        digest = download(_URL, archive, next_step=advice)
        unpacked = Path(made) / _FOLDER
        with explained(root):
            _unpack(archive, unpacked)
            for part in _COUNTS:
                _classes(unpacked, part)
            (unpacked / "SHA256").write_text(f"{digest}  {archive.name}\n", encoding="utf-8")
            if not root.exists():  # another process may have been first
                shutil.move(unpacked, root)
    _log.warning("%s had the SHA-256 %s; its publisher gives none to compare it with.", archive.name, digest)


def _unpack(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                parts = PurePosixPath(member.filename).parts
                if (
                    len(parts) != 4
                    or parts[0] != _FOLDER
                    or parts[1] not in _COUNTS
                    or parts[2] not in _LABELS
                    or parts[3].startswith(".")
                ):
                    continue  # folders, and what a Mac adds; nothing can be written elsewhere
                if member.file_size > _LARGEST_FILE:
                    raise KactError(
                        f"'{member.filename}' in {_URL} claims {member.file_size:,} bytes: not that set.",
                        "Run again later.",
                    )
                place = target / parts[1] / parts[2] / parts[3]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(opened.read(member))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise KactError(f"What came from {_URL} is no sound archive ({error}).", "Run again later.") from None


def _resolve(options: Mapping[str, Any], data: str | None) -> Task:
    size = options["image_size"]
    return replace(
        HYMENOPTERA,
        input_shape=(size, size, 3),
        identify=partial(_identify, options),
        read=partial(_read, options),
    )


_DEFAULTS = {"image_size": 224}

HYMENOPTERA = Task(
    name="hymenoptera",
    summary="244 + 153 photographs of ants and bees, 224x224 colours unless said",
    source="https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html",
    licence="photographs from ImageNet, for research; PyTorch's tutorial",
    labels=_LABELS,
    input_shape=(224, 224, 3),
    mean=(127.5,) * 3,
    std=(127.5,) * 3,
    default_model="strided_cnn",
    identify=partial(_identify, _DEFAULTS),
    read=partial(_read, _DEFAULTS),
    parameters=_DEFAULTS,
    check_options=check_image_options,
    resolve=_resolve,
    fit="crop",
)
