"""Data sets that TFDS has prepared, read without TensorFlow.

They lie where TFDS puts them, `TFDS_DATA_DIR/name/version` (https://www.tensorflow.org/datasets), and are shared with
everything else that reads them there. One that is not there is fetched and prepared once, by `preparation.py`; where
that folder may only be read, in kact's own cache.

>>> data_dir({"TFDS_DATA_DIR": "/data/tfds"}).as_posix()
'/data/tfds'
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kact.errors import KactError
from kact.tasks.cache import cache_root
from kact.tasks.preparation import prepare

_SAMPLE_BYTES = 65536  # read from both ends of each file for the fingerprint

_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """A data set in TFDS's folder.

    Attributes:
        name: TFDS's name for it.
        version: TFDS's version of it.
    """

    name: str
    version: str

    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    @property
    def folder(self) -> Path:
        """Where the set lies, or will: in TFDS's folder, or in kact's cache where TFDS's lacks it and is read-only."""
        root, place = data_dir(os.environ), Path(self.name) / self.version
        cache = cache_root()
        if (root / place).exists() or not _read_only(root) or cache is None:
            return root / place
        return cache / "tensorflow_datasets" / place

    def recorded_files(self) -> dict[str, Any]:
        """Return name, size and SHA-256 of each of the original's files, as TFDS's `UrlInfo` by URL."""
        raise NotImplementedError(f"{type(self).__name__} does not define recorded_files().")

    def builder_class(self) -> type:
        """Return the TFDS builder that prepares the set without TensorFlow."""
        raise NotImplementedError(f"{type(self).__name__} does not define builder_class().")

    def find(self) -> Path:
        """Return the folder of the copy at hand, after fetching and preparing one where there is none.

        Raises:
            KactError: if the set is incomplete, in a format that needs TensorFlow, or neither there nor to be fetched.
        """
        folder = self.folder
        if not folder.exists():
            prepare(self, folder.parent.parent, data_dir(os.environ) / "downloads" / "manual")
        self._shards(folder)
        return folder

    def reading(self, split: str, decode: Callable[[Any], _Decoded], *encoded: str) -> _Decoded:
        """Return what `decode` makes of a split.

        Args:
            split: one of `splits`.
            decode: takes TFDS's data source of the split.
            encoded: features that come as they are stored.

        Raises:
            KactError: if a file is damaged.
        """
        folder = self.folder
        with _quiet():
            import tensorflow_datasets as tfds

            try:
                builder = tfds.builder_from_directory(os.fspath(folder))
                skipped = {name: tfds.decode.SkipDecoding() for name in encoded}
                return decode(builder.as_data_source(split, decoders=skipped or None))
            except (RuntimeError, ValueError, LookupError, OSError) as error:
                # array_record, TFDS and Pillow each have their own for damaged bytes.
                raise damaged(folder, f"{split} cannot be read ({type(error).__name__})") from error

    def fingerprint(self, folder: Path) -> str:
        """Return a digest of names, sizes and ends; hashing all of it would take longer than loading the cache."""
        digest = hashlib.sha256()
        for file in [folder / "dataset_info.json", *self._shards(folder)]:
            size = file.stat().st_size
            with file.open("rb") as stream:
                digest.update(f"{file.name} {size}\n".encode())
                digest.update(stream.read(_SAMPLE_BYTES))
                stream.seek(max(0, size - _SAMPLE_BYTES))
                digest.update(stream.read())
        return digest.hexdigest()

    def _shards(self, folder: Path) -> list[Path]:
        """Return the files of the splits, after a check that all of them are there."""
        name = self.name
        try:
            info = json.loads((folder / "dataset_info.json").read_bytes())
            stored_format = info.get("fileFormat", "tfrecord")  # older versions of TFDS knew no other and did not say
            splits = {split["name"]: split for split in info["splits"]}
            counts = {split: len(splits[split]["shardLengths"]) for split in self.splits}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(folder, f"dataset_info.json cannot be used ({type(error).__name__})") from error
        if stored_format != "array_record":
            raise KactError(
                f"The data set in {folder} is stored as {stored_format}, which needs TensorFlow; kact reads "
                "array_record.",
                f"Move {folder} away or set TFDS_DATA_DIR to another folder; kact then prepares {name} there itself.",
            )
        shards = []
        for split, count in counts.items():
            template = splits[split].get("filepathTemplate", "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}")
            for number in range(count):
                parts = {"DATASET": name, "SPLIT": split, "FILEFORMAT": stored_format}
                parts["SHARD_X_OF_Y"] = f"{number:05d}-of-{count:05d}"
                file = template
                for key, value in parts.items():
                    file = file.replace("{" + key + "}", value)
                shards.append(folder / file)
        for shard in shards:
            if not shard.is_file() or not shard.stat().st_size:
                raise damaged(folder, f"{shard.name} is missing or empty")
        return shards


def data_dir(environment: Mapping[str, str]) -> Path:
    """Return TFDS's folder: `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.

    Raises:
        KactError: if neither the variable nor a home folder is set.
    """
    given = environment.get("TFDS_DATA_DIR")
    try:
        return Path(given or "~/tensorflow_datasets").expanduser()
    except RuntimeError:
        raise KactError(
            "There is no home folder to look for data sets in.", "Set TFDS_DATA_DIR to the folder that holds them."
        ) from None


def _read_only(folder: Path) -> bool:
    """Return whether a folder, or the one that it would be made in, lets nobody write; root is not let off."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and not (os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222)


def damaged(folder: Path, what: str) -> KactError:
    """Return the error for a prepared set of which `what` is wrong."""
    return KactError(
        f"The data set in {folder} is incomplete or damaged: {what}.",
        "Copy it again, or delete that folder and kact fetches and prepares the set once more.",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep absl's and TFDS's remarks on their own workings from the screen; what goes wrong is raised."""
    from absl import logging as absl_logging

    before = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.FATAL)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before)
