"""cifar10: 50,000 + 10,000 photographs of 32x32 pixels in ten classes.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009).

>>> CIFAR10.labels[3], CIFAR10.mean
('cat', (127.5, 127.5, 127.5))
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kact.tasks.prepared_images import Example, PreparedImages, encode_png
from kact.tasks.task import Task

_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD_BYTES = 1 + 3 * 32 * 32  # the label, then the red, the green and the blue plane


def _examples(files: Mapping[str, Path]) -> dict[str, Iterator[Example]]:
    train = [f"data_batch_{number}.bin" for number in range(1, 6)]
    return {
        "train": _records(files["archive"], train, "train"),
        "test": _records(files["archive"], ["test_batch.bin"], "test"),
    }


def _records(archive: Path, members: list[str], split: str) -> Iterator[Example]:
    index = 0
    with tarfile.open(archive, "r:gz") as tar:
        for member in members:
            stream = tar.extractfile(f"cifar-10-batches-bin/{member}")
            if stream is None:
                raise ValueError(f"{member} in {archive} is not a file")
            for record in np.frombuffer(stream.read(), np.uint8).reshape(-1, _RECORD_BYTES):
                image = record[1:].reshape(3, 32, 32).transpose(1, 2, 0)  # (height, width, channels)
                yield index, {"id": f"{split}_{index:05d}", "image": encode_png(image), "label": int(record[0])}
                index += 1


_SET = PreparedImages(
    name="cifar10",
    version="3.0.2",
    image_shape=(32, 32, 3),
    urls={"archive": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"},
    examples=_examples,
    label_names=_LABELS,
)

CIFAR10 = Task(
    name="cifar10",
    summary="50,000 + 10,000 photographs in ten classes, 32x32 colours",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="no licence stated; A. Krizhevsky (2009) asks to be cited",
    labels=_LABELS,
    input_shape=_SET.image_shape,
    mean=(127.5,) * 3,  # to [-1, 1], as in the tutorials and papers that kact repeats
    std=(127.5,) * 3,
    default_model="lenet",
    identify=_SET.identify,
    read=_SET.read,
)
