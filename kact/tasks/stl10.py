"""stl10: 5,000 + 8,000 photographs of 96x96 pixels in ten classes.

Source: A. Coates, H. Lee and A. Y. Ng, An analysis of single-layer networks in unsupervised feature learning (2011).

The download is of 2.6 GB, most of it the 100,000 images without labels. kact does not use them, but prepares them with
the rest: what lies under TFDS's name for the set should be all of it.

>>> STL10.input_shape, STL10.labels[0]
((96, 96, 3), 'airplane')
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kact.tasks.prepared_images import Example, PreparedImages, encode_png
from kact.tasks.task import Task

_LABELS = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_SIDE = 96
_IMAGE_BYTES = 3 * _SIDE * _SIDE


def _examples(files: Mapping[str, Path]) -> dict[str, Iterator[Example]]:
    return {split: _pairs(files["archive"], split) for split in ("train", "test", "unlabelled")}


def _pairs(archive: Path, split: str) -> Iterator[Example]:
    """Yield a split's examples; those without labels get -1, as TFDS has it."""
    name = {"unlabelled": "unlabeled"}.get(split, split)
    labels = None if split == "unlabelled" else _labels(archive, f"stl10_binary/{name}_y.bin")
    with tarfile.open(archive, "r:gz") as tar:
        member = tar.getmember(f"stl10_binary/{name}_X.bin")
        stream = tar.extractfile(member)
        if stream is None:
            raise ValueError(f"{member.name} in {archive} is not a file")
        for index in range(member.size // _IMAGE_BYTES):  # one at a time: the part without labels is of 2.8 GB
            label = -1 if labels is None else int(labels[index]) - 1  # stored from 1 on
            yield index, {"image": encode_png(_image(stream.read(_IMAGE_BYTES))), "label": label}


def _labels(archive: Path, name: str) -> np.ndarray:
    with tarfile.open(archive, "r:gz") as tar:
        stream = tar.extractfile(name)
        if stream is None:
            raise ValueError(f"{name} in {archive} is not a file")
        return np.frombuffer(stream.read(), np.uint8)


def _image(record: bytes) -> np.ndarray:
    """Return the image of a record: three planes, each written column after column."""
    planes = np.frombuffer(record, np.uint8).reshape(3, _SIDE, _SIDE)  # (channels, width, height)
    return planes.transpose(2, 1, 0)  # (height, width, channels)


_SET = PreparedImages(
    name="stl10",
    version="1.0.0",
    image_shape=(_SIDE, _SIDE, 3),
    urls={"archive": "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"},
    examples=_examples,
    label_names=_LABELS,
)

STL10 = Task(
    name="stl10",
    summary="5,000 + 8,000 photographs in ten classes, 96x96 colours",
    source="https://cs.stanford.edu/~acoates/stl10/",
    licence="photographs from ImageNet; A. Coates, H. Lee and A. Y. Ng (2011) ask to be cited",
    labels=_LABELS,
    input_shape=_SET.image_shape,
    mean=(127.5,) * 3,
    std=(127.5,) * 3,
    default_model="strided_cnn",
    identify=_SET.identify,
    read=_SET.read,
)
