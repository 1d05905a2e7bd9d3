"""AlexNet's ImageNet weights: fetched once from their public address, checked, read safely, converted to Keras' layout.

The file is torchvision's (https://pytorch.org/vision/stable/models/alexnet.html); its name carries the first eight
digits of its SHA-256. It is read as weights alone: a pickle that would run code is refused, whatever its hash.

>>> LAYERS["dense1"]
'classifier.1'
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kact.errors import KactError
from kact.storage.downloads import check_sha256, download
from kact.storage.files import DAMAGED_ARRAYS, atomic, explained, sha256
from kact.tasks.cache import cache_root

URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SHA256_PREFIX = "7be5be79"
# What ImageNet's images are brought to, per channel, in units of 0-255.
MEAN = tuple(255 * value for value in (0.485, 0.456, 0.406))
STD = tuple(255 * value for value in (0.229, 0.224, 0.225))

LAYERS = {  # kact's names to torchvision's
    **{f"conv{i}": f"features.{place}" for i, place in enumerate((0, 3, 6, 8, 10), start=1)},
    "dense1": "classifier.1",
    "dense2": "classifier.4",
    "logits": "classifier.6",
}
_SIDE = 6  # of the maps that the first dense layer sees

Weights = dict[str, list[np.ndarray]]


def imagenet_weights() -> Weights:
    """Return kernel and bias of each layer, from kact's cache, or fetched, checked and converted into it.

    Raises:
        KactError: if there is no place to cache them, they cannot be fetched, or the file is not the original.
    """
    root = cache_root()
    if root is None:
        raise KactError("There is no home folder to keep AlexNet's weights in.", "Set KACT_CACHE_DIR to a folder.")
    original = root / "backbones" / Path(URL).name
    converted = original.with_suffix(".npz")
    if (found := _read_converted(converted)) is not None:
        return found
    with explained(original):
        original.parent.mkdir(parents=True, exist_ok=True)
    if not original.exists():
        advice = f"Connect to the network once, or fetch it yourself and lay it in '{original.parent}'."
        download(URL, original, next_step=advice, sha256_prefix=SHA256_PREFIX)
    check_sha256(sha256(original), SHA256_PREFIX, original)
    weights = convert(read_state(original))
    with atomic(converted) as temporary, open(temporary, "wb") as file:
        arrays: dict[str, Any] = {f"{name}.{i}": a for name, pair in weights.items() for i, a in enumerate(pair)}
        np.savez(file, **arrays)
    return weights


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Read a PyTorch state dict, as weights alone.

    Returns:
        Arrays by PyTorch's names.

    Raises:
        KactError: if the file is cut off, no state dict, or holds anything but tensors, such as code to run.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of what it refuses right after
            state = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value.numpy() for name, value in state.items()}
    except Exception as error:  # the unpickler raises whatever damage makes of it, IndexError and KeyError too
        raise KactError(
            f"'{path}' cannot be read as weights alone ({type(error).__name__}): it is damaged, or holds other things.",
            "Nothing of it was run. Delete it, and kact fetches the original.",
        ) from error


def convert(state: Mapping[str, np.ndarray]) -> Weights:
    """Return Keras' kernels and biases for torchvision's: axes in Keras' order, flattened maps with channels last.

    Args:
        state: `features.0.weight` `(64, 3, 11, 11)` and so on, and `classifier.1.weight` `(4096, 9216)` and so on.

    Raises:
        KactError: for a state dict that is not AlexNet's.
    """
    weights: Weights = {}
    for name, place in LAYERS.items():
        try:
            weight, bias = state[f"{place}.weight"], state[f"{place}.bias"]
            weights[name] = [np.ascontiguousarray(_kernel(weight, first=name == "dense1")), bias]
        except (KeyError, ValueError) as error:
            raise KactError(
                f"The weights are not those of torchvision's AlexNet: {place} is missing or of another shape.",
                f"Take the file at {URL}.",
            ) from error
    return weights


def _kernel(weight: np.ndarray, first: bool) -> np.ndarray:
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)  # (out, in, height, width) -> (height, width, in, out)
    if not first:
        return weight.T  # (out, in) -> (in, out)
    maps = weight.reshape(len(weight), -1, _SIDE, _SIDE)  # (units, channels, 6, 6)
    return maps.transpose(2, 3, 1, 0).reshape(-1, len(weight))  # (6·6·channels, units)


def _read_converted(path: Path) -> Weights | None:
    """Return the converted weights, or None if they are not there or damaged, and have to be made anew."""
    try:
        content = io.BytesIO(path.read_bytes())  # of a path NumPy leaves the file open where it is damaged
        with np.load(content, allow_pickle=False) as stored:  # the archive has a checksum for each array
            return {name: [stored[f"{name}.{i}"] for i in range(2)] for name in LAYERS}
    except DAMAGED_ARRAYS:
        return None
