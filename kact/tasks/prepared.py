"""Data sets that TFDS has prepared, read without TensorFlow.

They lie where TFDS puts them, `TFDS_DATA_DIR/name/version` (https://www.tensorflow.org/datasets), and are shared with
everything else that reads them there. One that is not there is fetched and prepared once, by `preparation.py`.

>>> data_dir({"TFDS_DATA_DIR": "/data/tfds"}).as_posix()
'/data/tfds'
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.tasks.preparation import Example, prepare
from kact.tasks.task import Identity, RawArrays

_CHUNK = 4096  # records decoded from one read; more is no faster
_SAMPLE_BYTES = 65536  # read from both ends of each file for the fingerprint


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """One of TFDS's image classification sets.

    Attributes:
        name: TFDS's name for it.
        version: TFDS's version of it.
        image_shape: (height, width, channels), one channel for greys or three for colours.
        urls: the original's files, by names of our own; TFDS must have recorded the SHA-256 of each.
        examples: makes each split's (key, example) pairs from the downloaded files.
        label_names: recorded with the data when it is prepared here, where the original names its classes.
    """

    name: str
    version: str
    image_shape: tuple[int, int, int]
    urls: Mapping[str, str]
    examples: Callable[[Mapping[str, Path]], dict[str, Iterator[Example]]]
    label_names: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the set lies, or will."""
        return data_dir(os.environ) / self.name / self.version

    def identify(self) -> Identity:
        """Return the identity of the copy at hand, after fetching and preparing one where there is none.

        Raises:
            KactError: if the set is incomplete, in a format that needs TensorFlow, or neither there nor to be fetched.
        """
        folder = self.folder
        if not folder.exists():
            prepare(self, folder.parent.parent)
        shards = _shards(folder, self.name)
        return Identity(self.version, _fingerprint([folder / "dataset_info.json", *shards]))

    def read(self) -> RawArrays:
        """Decode every example.

        Returns:
            uint8 images and int64 labels, in the order in which they are stored.

        Raises:
            KactError: if a file is damaged.
        """
        folder = self.folder
        with _quiet():
            import tensorflow_datasets as tfds

            builder = tfds.builder_from_directory(os.fspath(folder))
            arrays: list[np.ndarray] = []
            for split in ("train", "test"):
                try:
                    source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
                    arrays += self._decode(source)
                except (RuntimeError, ValueError, LookupError, OSError) as error:
                    # array_record, TFDS and Pillow each have their own for damaged bytes.
                    raise _damaged(folder, f"{split} cannot be read ({type(error).__name__})") from error
        return RawArrays(*arrays)

    def _decode(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        from PIL import Image

        mode = "L" if self.image_shape[-1] == 1 else "RGB"
        images = np.empty((len(source), *self.image_shape), np.uint8)
        labels = np.empty(len(source), np.int64)
        for start in range(0, len(source), _CHUNK):
            records = source.__getitems__(range(start, min(start + _CHUNK, len(source))))
            for row, record in enumerate(records, start):
                with Image.open(io.BytesIO(record["image"])) as image:
                    # convert copies even where there is nothing to convert
                    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
                images[row] = pixels.reshape(self.image_shape)
                labels[row] = record["label"]
        return images, labels


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


def _shards(folder: Path, name: str) -> list[Path]:
    """Return the files of the train and the test split, after a check that all of them are there."""
    try:
        info = json.loads((folder / "dataset_info.json").read_bytes())
        stored_format = info.get("fileFormat", "tfrecord")  # older versions of TFDS knew no other and did not say
        splits = {split["name"]: split for split in info["splits"]}
        counts = {split: len(splits[split]["shardLengths"]) for split in ("train", "test")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"dataset_info.json cannot be used ({type(error).__name__})") from error
    if stored_format != "array_record":
        raise KactError(
            f"The data set in {folder} is stored as {stored_format}, which needs TensorFlow; kact reads array_record.",
            f"Move {folder} away or set TFDS_DATA_DIR to another folder; kact then prepares {name} there by itself.",
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
            raise _damaged(folder, f"{shard.name} is missing or empty")
    return shards


def _fingerprint(files: list[Path]) -> str:
    """Return a digest of names, sizes and ends; all of a big file would take longer to hash than the cache to load."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as stream:
            digest.update(f"{file.name} {size}\n".encode())
            digest.update(stream.read(_SAMPLE_BYTES))
            stream.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(stream.read())
    return digest.hexdigest()


def _damaged(folder: Path, what: str) -> KactError:
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
