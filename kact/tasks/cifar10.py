"""cifar10: 50,000 + 10,000 photographs of 32x32 pixels in ten classes.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009).

`--task "cifar10(image_size=96)"` enlarges them, for networks made for larger photographs; it adds nothing to see.

>>> CIFAR10.labels[3], CIFAR10.mean
('cat', (127.5, 127.5, 127.5))
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kact.images import to_array
from kact.tasks.image_files import check_image_options
from kact.tasks.prepared_images import Example, PreparedImages, encode_png
from kact.tasks.task import Identity, RawArrays, Task

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

_DEFAULTS = {"image_size": _SET.image_shape[0]}


def _resolve(options: Mapping[str, Any], data: str | None) -> Task:
    size = options["image_size"]
    if size == _DEFAULTS["image_size"]:
        return CIFAR10
    identify, read = partial(_identify_resized, size), partial(_read_resized, size)
    return replace(CIFAR10, input_shape=(size, size, 3), identify=identify, read=read)


def _identify_resized(size: int) -> Identity:
    identity = _SET.identify()
    return Identity(identity.version, f"{identity.fingerprint} {size}")


def _read_resized(size: int) -> RawArrays:
    raw = _SET.read()
    return RawArrays(
        _resized(raw.train_inputs, size), raw.train_labels, _resized(raw.test_inputs, size), raw.test_labels
    )


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    """Return images `(n, 32, 32, 3)` in another size, as a photograph given to a trained network is resized."""
    from PIL import Image

    resized = np.empty((len(images), size, size, 3), np.uint8)
    for row, image in enumerate(images):
        resized[row] = to_array(Image.fromarray(image), (size, size, 3), CIFAR10.fit)
    return resized


CIFAR10 = Task(
    name="cifar10",
    summary="50,000 + 10,000 photographs in ten classes, 32x32 colours unless said",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="no licence stated; A. Krizhevsky (2009) asks to be cited",
    labels=_LABELS,
    input_shape=_SET.image_shape,
    mean=(127.5,) * 3,  # to [-1, 1], as in the tutorials and papers that kact repeats
    std=(127.5,) * 3,
    default_model="lenet",
    identify=_SET.identify,
    read=_SET.read,
    parameters=_DEFAULTS,
    check_options=check_image_options,
    resolve=_resolve,
)
