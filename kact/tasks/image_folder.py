"""image_folder: one's own images, a folder a class, or such folders in `train`, `validation` and `test`.

`kact train --task image_folder --data DIR`, or with options `--task "image_folder(image_size=96, fit='crop')"`. Any
format that Pillow opens; every image is brought to one size. Without a `test` folder a fifth of each class is cut for
it by a fixed seed; without a `validation` folder (or `val`, `valid`, `dev`) that too is cut from train.

>>> IMAGE_FOLDER.parameters["fit"]
'crop'
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.tasks.image_files import Classes, check_image_options, decode, fingerprint, list_classes
from kact.tasks.split import stratified_cut
from kact.tasks.task import Identity, RawArrays, Task
from kact.wording import counted

_log = logging.getLogger("kact")

_PARTS = {"train": "train", "test": "test"} | dict.fromkeys(("validation", "val", "valid", "dev"), "validation")
_TEST_FRACTION = 0.2
_TEST_SEED = 20091201
_VERSION = "files"


@dataclass(frozen=True)
class FolderOfImages:
    """A folder that was looked through, before anything in it is decoded.

    Attributes:
        root: the folder.
        parts: files by class, for "train" and those of "validation" and "test" that are given.
        options: the task's.
    """

    root: Path
    parts: Mapping[str, Classes]
    options: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes' names, in order."""
        return tuple(self.parts["train"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) that all images are brought to."""
        size = self.options["image_size"]
        return size, size, self.options["channels"]

    @classmethod
    def find(cls, root: Path, options: Mapping[str, Any]) -> FolderOfImages:
        """Look through a folder.

        Raises:
            KactError: if it is missing or empty, has fewer than two classes, or a class of too few files.
        """
        if not root.is_dir():
            raise KactError.parameter("data", str(root), "a folder that exists", next_step=_ADVICE)
        inside = list_classes(root)
        named = {name: _PARTS.get(name.lower()) for name in inside}
        parts = {"train": inside}
        if inside and all(named.values()):
            parts = {part: list_classes(root / name) for name, part in named.items() if part}
            if len(parts) < len(named) or "train" not in parts:
                raise KactError(f"'{root}' holds {', '.join(inside)}: one folder each, `train` among them.", _ADVICE)
        found = cls(root, parts, options)
        found._check_classes({part: {n: len(files) for n, files in c.items()} for part, c in parts.items()})
        return found

    def identify(self) -> Identity:
        """Return the identity of the files as they are now."""
        files = [file for classes in self.parts.values() for listed in classes.values() for file in listed]
        return Identity(_VERSION, fingerprint(self.root, files, self.options))

    def read(self) -> RawArrays:
        """Decode every file, and cut a test part where none is given.

        Raises:
            KactError: for unreadable files, unless they are to be skipped; if too few are left.
        """
        how = {"fit": self.options["fit"], "unreadable": self.options["unreadable"], "root": self.root}
        how["advice"] = "Mend or remove them, or leave them out with unreadable='skip' in the task's parentheses."
        arrays = {
            part: decode(classes, self.labels, self.shape, **how)  # one part after another: train is listed first
            for part, classes in self.parts.items()
        }
        counts = {
            part: dict(zip(self.labels, np.bincount(one.labels, minlength=len(self.labels)).tolist(), strict=True))
            for part, one in arrays.items()
        }
        self._check_classes(counts)
        images, labels, _ = arrays["train"]
        if "test" in arrays:
            test_images, test_labels, _ = arrays["test"]
        else:
            kept, cut = stratified_cut(labels, _TEST_FRACTION, _TEST_SEED)
            test_images, test_labels = images[cut], labels[cut]
            images, labels = images[kept], labels[kept]
        given = None
        if "validation" in arrays:
            own = arrays["validation"]
            given = np.arange(len(labels), len(labels) + len(own.labels), dtype=np.int64)
            images = np.concatenate([images, own.images])
            labels = np.concatenate([labels, own.labels])
        remarks = tuple(one.skipped for one in arrays.values() if one.skipped)
        return RawArrays(images, labels, test_images, test_labels, given, remarks=remarks)

    def _check_classes(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        train = counts["train"]
        if len(train) < 2:
            there = f"only the class {next(iter(train))!r}" if train else "no folder of images"
            raise KactError(f"'{self.root}' holds {there}; at least two classes are needed.", _ADVICE)
        least = 1 + ("validation" not in counts) + ("test" not in counts)
        for name, count in train.items():
            if count < least:
                raise KactError(
                    f"The class {name!r} in '{self.root}' has {counted(count, 'image')}; at least {least} are "
                    "needed, one for each of train, validation and test.",
                    "Add images to it, or take its folder away.",
                )
        for part in ("validation", "test"):
            missing = [name for name in train if part in counts and not counts[part].get(name)]
            if missing and len(missing) < len(train):
                _log.warning("%s has no images of %s: its scores say nothing of them.", part, ", ".join(missing))
            strange = [name for name in counts.get(part, {}) if name not in train]
            if strange:
                raise KactError(f"The class {strange[0]!r} in '{self.root}' is in {part} and not in train.", _ADVICE)
            if part in counts and not any(counts[part].values()):
                raise KactError(f"The {part} folder in '{self.root}' holds no images.", _ADVICE)


_ADVICE = "Give a folder with one folder of images a class, or with such folders in train, validation and test."


def _resolve(options: Mapping[str, Any], data: str | None) -> Task:
    found = FolderOfImages.find(Path(data or "").expanduser(), options)
    return replace(
        IMAGE_FOLDER,
        labels=found.labels,
        input_shape=found.shape,
        fit=options["fit"],
        source=str(found.root),
        identify=found.identify,
        read=found.read,
    )


def _unresolved() -> Any:
    raise KactError("The task 'image_folder' needs to know its folder.", "Give it as --data DIR.")


IMAGE_FOLDER = Task(
    name="image_folder",
    summary="your own images, a folder a class: --data DIR",
    source="https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html",
    licence="your own",
    labels=(),
    input_shape=(64, 64, 3),
    mean=None,
    std=None,
    default_model="cnn",
    identify=_unresolved,
    read=_unresolved,
    parameters={"image_size": 64, "fit": "crop", "channels": 3, "unreadable": "refuse"},
    check_options=check_image_options,
    resolve=_resolve,
    needs_data=True,
    fit="crop",
)
