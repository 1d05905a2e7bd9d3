"""TFDS's image classification sets: prepared from the originals' own formats, and decoded into arrays.

TFDS's own builders of these sets decode archives and encode images with TensorFlow. Here a subclass of each, with the
same name, version and features, does that with tarfile, gzip and Pillow, so that the set lands in the folder where TFDS
itself looks for it.

>>> encode_png(np.zeros((2, 2), np.uint8))[1:4]
b'PNG'
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kact.tasks.prepared import PreparedSet
from kact.tasks.task import Identity, RawArrays

Example = tuple[int, dict[str, Any]]  # the key, by which TFDS shuffles, and the features

_CHUNK = 4096  # records decoded from one read; more is no faster


def encode_png(image: np.ndarray) -> bytes:
    """Return the PNG file of an image.

    Args:
        image: `(height, width)` or `(height, width, 3)`, uint8.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class PreparedImages(PreparedSet):
    """One of TFDS's image classification sets.

    Attributes:
        image_shape: (height, width, channels), one channel for greys or three for colours.
        urls: the original's files, by names of our own; TFDS must have recorded the SHA-256 of each.
        examples: makes each split's (key, example) pairs from the downloaded files.
        label_names: recorded with the data when it is prepared here, where the original names its classes.
    """

    image_shape: tuple[int, int, int]
    urls: Mapping[str, str]
    examples: Callable[[Mapping[str, Path]], dict[str, Iterator[Example]]]
    label_names: tuple[str, ...] = ()

    def identify(self) -> Identity:
        """Return the identity of the copy at hand, after fetching and preparing one where there is none.

        Raises:
            KactError: as `find`.
        """
        return Identity(self.version, self.fingerprint(self.find()))

    def read(self) -> RawArrays:
        """Decode every example.

        Returns:
            uint8 images and int64 labels, in the order in which they are stored.

        Raises:
            KactError: if a file is damaged.
        """
        return RawArrays(*(array for split in self.splits for array in self.reading(split, self._decode, "image")))

    def recorded_files(self) -> dict[str, Any]:
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.download import checksums

        # Older sets' files are recorded in one place for all, newer ones' beside each builder.
        recorded = tfds.builder_cls(self.name).url_infos or checksums.get_all_url_infos()
        return {url: recorded[url] for url in self.urls.values()}

    def builder_class(self) -> type:
        """Return a builder like TFDS's own of that name that needs no TensorFlow."""
        import tensorflow_datasets as tfds

        original: Any = tfds.builder_cls(self.name)
        prepared_set = self

        class Builder(original, skip_registration=True):  # type: ignore[call-arg]
            name = prepared_set.name
            VERSION = tfds.core.Version(prepared_set.version)
            url_infos = prepared_set.recorded_files()  # TFDS would look for them beside this module

            def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Example]]:
                if prepared_set.label_names:
                    self.info.features["label"].names = list(prepared_set.label_names)
                return prepared_set.examples(dl_manager.download(dict(prepared_set.urls)))

            def _generate_examples(self, *arguments: Any) -> Iterator[Example]:
                raise NotImplementedError("the splits come as generators")

        return Builder

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
