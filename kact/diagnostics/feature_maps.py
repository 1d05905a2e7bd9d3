"""What a layer of a network makes of images, and the kernels that it looks at them with.

Layers of a model inside the model are called `inner/layer`.

>>> from kact.models import build_model
>>> model = build_model("mlp", (8, 8, 1), 10, activation="relu")
>>> feature_maps(model, np.zeros((3, 8, 8, 1)), layer="dense1_activation").shape
(3, 128)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.activations.layers import ActivationLayer
from kact.diagnostics.gradients import recorded
from kact.errors import KactError

_BATCH = 256

ACTIVATIONS = (
    ActivationLayer,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


def feature_maps(model: keras.Model, inputs: Any, layer: str | None = None) -> np.ndarray:
    """Return what a layer makes of each input, at inference.

    Args:
        model: a functional model, on any backend.
        inputs: `(n, height, width, channels)`, or what else the model takes, in any number.
        layer: a layer's name, `inner/layer` inside a model's model; `last_maps(model)` if None.

    Returns:
        `(n, height, width, maps)` for layers of maps, else `(n, ..., units)`; float32.

    Raises:
        KactError: for an unknown layer, or None where the model has no convolution.

    Example:
        >>> from kact.models import build_model
        >>> feature_maps(build_model("lenet", (32, 32, 3), 10), np.zeros((2, 32, 32, 3))).shape
        (2, 10, 10, 16)
    """
    return maps_of(model, layer)(inputs)


def maps_of(model: keras.Model, layer: str | None = None) -> Callable[[Any], np.ndarray]:
    """Return `feature_maps` of one layer as a function of the inputs, for those who ask it often.

    Args:
        model, layer: as for `feature_maps`.

    Raises:
        KactError: as `feature_maps`.

    Example:
        >>> from kact.models import build_model
        >>> maps_of(build_model("lenet", (32, 32, 3), 10), "conv1")(np.zeros((1, 32, 32, 3))).shape
        (1, 28, 28, 6)
    """
    name = last_maps(model) if layer is None else layer
    layers = layers_of(model)
    if name not in layers:
        raise KactError.parameter("layer", name, "one of the model's layers", choices=layers)
    layer_of_maps = layers[name]
    compute = _maps_of_outer(model, layer_of_maps) if "/" not in name else _maps_of_inner(model, layer_of_maps)

    def maps(inputs: Any) -> np.ndarray:
        count = len(keras.tree.flatten(inputs)[0])
        parts = [compute(as_stored(inputs, slice(start, start + _BATCH))) for start in range(0, count, _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, *layer_of_maps.output.shape[1:]), np.float32)

    return maps


def layers_of(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return a model's layers by name; those of a model inside it as `inner/layer` in its place.

    Example:
        >>> from kact.models import build_model
        >>> list(layers_of(build_model({"name": "mlp", "hidden_units": [16]}, (8, 8, 1), 10)))
        ['image', 'flatten', 'dense1', 'dense1_activation', 'logits']
    """
    found: dict[str, keras.layers.Layer] = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= {f"{layer.name}/{name}": inner for name, inner in layers_of(layer).items()}
        else:
            found[layer.name] = layer
    return found


def _maps_of_outer(model: keras.Model, layer: keras.layers.Layer) -> Callable[[Any], np.ndarray]:
    probe = backend.exact_inference(keras.Model(model.input, layer.output))
    return lambda batch: backend.to_numpy(probe.predict_on_batch(batch))


def _maps_of_inner(model: keras.Model, layer: keras.layers.Layer) -> Callable[[Any], np.ndarray]:
    def compute(batch: Any) -> np.ndarray:  # its symbolic output belongs to the inner model, so it is caught in passing
        with recorded([layer]) as calls:
            model(keras.tree.map_structure(keras.ops.convert_to_tensor, batch), training=False)
        return backend.to_numpy(calls[0][-1][1])

    return compute


def last_maps(model: keras.Model) -> str:
    """Return the name of the activation behind the last convolution, or of the convolution if it has none.

    Raises:
        KactError: if the model has no convolution.

    Example:
        >>> from kact.models import build_model
        >>> last_maps(build_model("lenet", (32, 32, 3), 10))
        'conv2_activation'
    """
    layers = layers_of(model)
    found = None
    for name, layer in layers.items():
        behind = found is not None and isinstance(layers[found], _CONVOLUTIONS) and isinstance(layer, ACTIVATIONS)
        if (behind and len(layer.output.shape) == 4) or isinstance(layer, _CONVOLUTIONS):
            found = name
    if found is None:
        raise KactError(
            f"The model {model.name!r} has no convolution, so it has no feature maps.",
            "Name a layer to look at, or inspect the run of a convolutional model.",
        )
    return found


def first_kernels(model: keras.Model) -> np.ndarray:
    """Return the weights of the first layer that has any, one small image a unit.

    Args:
        model: whose inputs are images.

    Returns:
        `(units, height, width, channels)`: a convolution's kernels, or a dense layer's weights laid out as its input.

    Raises:
        KactError: if the first layer with a kernel does not look at images.

    Example:
        >>> from kact.models import build_model
        >>> first_kernels(build_model("lenet", (32, 32, 3), 10)).shape
        (6, 5, 5, 3)
    """
    shape = keras.tree.flatten(model.input)[0].shape[1:]
    for layer in layers_of(model).values() if len(shape) == 3 else ():
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        weights = backend.to_numpy(kernel)
        if weights.ndim == 4:
            return weights.transpose(3, 0, 1, 2)  # (maps, height, width, channels)
        if weights.ndim == 2 and len(weights) == math.prod(shape):
            return weights.T.reshape(-1, *shape)  # (units, height, width, channels)
        break
    raise KactError(
        f"The first layer of the model {model.name!r} does not look at images, so it has no kernels.",
        "Name the run of a network for images.",
    )


def as_stored(inputs: Any, rows: slice = slice(None)) -> Any:
    """Return some rows of arrays as the network takes them: pixels as float32, indices as they are."""

    def cut(array: np.ndarray) -> np.ndarray:
        part = np.asarray(array[rows])
        return part if part.dtype.kind == "i" else part.astype(np.float32)

    return keras.tree.map_structure(cut, inputs)
