"""mnist: 60,000 + 10,000 handwritten digits of 28x28 pixels.

Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition (1998).

>>> MNIST.input_shape, MNIST.default_model
((28, 28, 1), 'cnn')
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kact.tasks.prepared_images import Example, PreparedImages, encode_png
from kact.tasks.task import Task

_HOST = "https://storage.googleapis.com/cvdf-datasets/mnist/"


def _examples(files: Mapping[str, Path]) -> dict[str, Iterator[Example]]:
    return {split: _pairs(files[f"{split}_images"], files[f"{split}_labels"]) for split in ("train", "test")}


def _pairs(images_file: Path, labels_file: Path) -> Iterator[Example]:
    images, labels = _read_idx(images_file), _read_idx(labels_file)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {"image": encode_png(image), "label": int(label)}


def _read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of an IDX file: two zeros, type 8, the rank, each size as big-endian int32, the bytes."""
    with gzip.open(path, "rb") as stream:
        content = stream.read()
    rank = content[3]
    shape = np.frombuffer(content, ">i4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


_SET = PreparedImages(
    name="mnist",
    version="3.0.1",
    image_shape=(28, 28, 1),
    urls={
        "train_images": f"{_HOST}train-images-idx3-ubyte.gz",
        "train_labels": f"{_HOST}train-labels-idx1-ubyte.gz",
        "test_images": f"{_HOST}t10k-images-idx3-ubyte.gz",
        "test_labels": f"{_HOST}t10k-labels-idx1-ubyte.gz",
    },
    examples=_examples,
)

MNIST = Task(
    name="mnist",
    summary="60,000 + 10,000 handwritten digits, 28x28 greys",
    source="http://yann.lecun.com/exdb/mnist/",
    licence="Y. LeCun, C. Cortes and C. J. C. Burges ask to be cited; CC BY-SA 3.0",
    labels=tuple("0123456789"),
    input_shape=_SET.image_shape,
    mean=(0.1307 * 255,),  # of the training pixels, as is usual for this set
    std=(0.3081 * 255,),
    default_model="cnn",
    identify=_SET.identify,
    read=_SET.read,
)
