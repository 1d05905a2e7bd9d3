"""Looking inside a network: feature maps, first kernels, dead and saturated units, gradients by layer.

A unit is what has weights of its own: a neuron of a dense layer, a whole map of a convolution. It is *dead* when the
activation's slope at it is zero (below `DEAD_SLOPE`) for every example, position and time step of a sample, so that no
gradient reaches its weights; *saturated* when the slope is below `SATURATED_SLOPE` for at least `SATURATED_SHARE` of
them. These are the hard and the soft saturation of Gulcehre et al. 2016 (https://arxiv.org/abs/1603.00391), asked of
the inputs that a network meets, and they hold for any activation: slopes are differences of the layer itself. What is
padding of a sentence does not count. Layers of a model inside the model are called `inner/layer`.

>>> from kact.models import build_model
>>> model = build_model("mlp", (8, 8, 1), 10, activation="relu")
>>> feature_maps(model, np.zeros((3, 8, 8, 1)), layer="dense1_activation").shape
(3, 128)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.activation_layers import ActivationLayer
from kact.errors import KactError

DEAD_SLOPE = 1e-5  # what differences in float32 can tell from zero
SATURATED_SLOPE = 0.01
SATURATED_SHARE = 0.95

_STEP = 0.01  # of the differences; the error of a slope is about 2e-5 where the third derivative is about 1
_MOST_EXAMPLES, _FEWEST_EXAMPLES = 256, 16
_MOST_NUMBERS = 50_000_000  # activations looked at together: 200 MB
_BATCH = 256

_ACTIVATIONS = (
    ActivationLayer,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)

Record = dict[str, Any]


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
        with backend.recorded([layer]) as calls:
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
        behind = found is not None and isinstance(layers[found], _CONVOLUTIONS) and isinstance(layer, _ACTIVATIONS)
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


def slopes(layer: keras.layers.Layer, z: np.ndarray) -> np.ndarray:
    """Return the slope of an element-wise activation layer at each of its inputs, by central differences in float32.

    Args:
        layer: the activation, at inference.
        z: its inputs, float32, of any shape that it takes.

    Example:
        >>> from kact import activations
        >>> slopes(activations.make("relu"), np.array([[-3.0, 2.0]], "float32")).round(3).tolist()
        [[0.0, 1.0]]
    """
    step = np.float32(_STEP) * np.maximum(np.abs(z) / 32, 1)  # longer where float32 is coarse
    above, below = z + step, z - step
    rise = backend.to_numpy(layer(above)).astype(np.float64) - backend.to_numpy(layer(below))
    return rise / (above.astype(np.float64) - below)  # what the steps came to when rounded


def dead_and_saturated(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which units are dead and which saturated, given their slopes on a sample.

    Args:
        slope: `(..., units)`.

    Returns:
        Two boolean arrays `(units,)`; a dead unit is saturated too.

    Example:
        >>> [which.tolist() for which in dead_and_saturated(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))]
        [[True, False, False], [True, False, False]]
    """
    flat = np.abs(slope).reshape(-1, slope.shape[-1])  # (examples · positions, units)
    return (flat < DEAD_SLOPE).all(axis=0), (flat < SATURATED_SLOPE).mean(axis=0) >= SATURATED_SHARE


def observer(
    model: keras.Model, inputs: Any, labels: np.ndarray, loss: Callable[..., Any], weights: np.ndarray | None = None
) -> Callable[[], list[Record]]:
    """Return what looks at a network as a training step sees it; nothing is changed by looking.

    Args:
        model: functional, on a backend that trains.
        inputs, labels: a sample, as the model and the loss take them.
        loss: from (labels, outputs) to a loss an example, or a token.
        weights: of each example `(n,)` or token `(n, time)` in the mean loss; all alike if None. Activations of what
            has none are left out.

    Returns:
        A function without arguments that returns, for the weights of the moment, one record for each layer that has
        weights or is an activation: `layer`, `units`, `dead` and `saturated` (shares in [0, 1]), `activation_mean` and
        `activation_std` (of its outputs), `gradient_norm` (‖∂loss/∂w‖ over all of its weights). What a layer does not
        have is None; shares of a network whose numbers overflowed are NaN.

    Raises:
        KactError: on a backend without gradients.
    """
    layers = layers_of(model)
    sites = {name: layer for name, layer in layers.items() if isinstance(layer, _ACTIVATIONS)}
    counted = None if weights is None else np.asarray(weights) > 0

    def mean_loss(outputs: Any) -> Any:
        each = loss(labels, outputs)
        if weights is None:
            return keras.ops.mean(each)
        return keras.ops.sum(each * keras.ops.convert_to_tensor(weights)) / float(np.sum(weights))

    compute = backend.gradients(model, inputs, mean_loss, list(sites.values()))

    def look() -> list[Record]:
        calls, gradients = compute()
        gradient_of = {id(variable): one for variable, one in zip(model.trainable_variables, gradients, strict=True)}
        seen = dict(zip(sites, calls, strict=True))
        records = []
        for name, layer in layers.items():
            own = [gradient_of[id(variable)] for variable in layer.trainable_variables if id(variable) in gradient_of]
            if not own and not seen.get(name):
                continue
            record = {**dict.fromkeys(COLUMNS[1:]), "layer": name}
            if seen.get(name):
                record |= _activity(layer, *(_counted(ends, counted) for ends in zip(*seen[name], strict=True)))
            if own:
                record["gradient_norm"] = math.sqrt(sum(float(np.sum(np.square(one, dtype=np.float64))) for one in own))
            records.append(record)
        return records

    return look


def _counted(arrays: Sequence[np.ndarray], counted: np.ndarray | None) -> np.ndarray:
    """Return what a layer saw or made, `(..., units)`, in all of its calls, but for what does not count."""
    kept = arrays if counted is None else [one[counted] for one in arrays]  # (tokens, ..., units)
    return kept[0] if len(kept) == 1 else np.concatenate([one.reshape(-1, one.shape[-1]) for one in kept])


COLUMNS = ("epoch", "layer", "units", "dead", "saturated", "activation_mean", "activation_std", "gradient_norm")


def sample(model: keras.Model, length: int, steps: int = 1) -> np.ndarray:
    """Return which of `length` examples to look at: the same ones for each epoch, evenly spaced, as many as fit.

    At most 256, fewer where their activations would take more than about 200 MB, at least 16.

    Args:
        model: functional.
        length: how many examples there are.
        steps: tokens of the longest sentence, where the examples are sentences.

    Example:
        >>> from kact.models import build_model
        >>> sample(build_model("mlp", (8, 8, 1), 10), 1000)[:3].tolist()
        [0, 3, 7]
    """
    sizes = [math.prod(side or steps for side in layer.output.shape[1:]) for layer in layers_of(model).values()]
    count = min(length, max(_FEWEST_EXAMPLES, min(_MOST_EXAMPLES, _MOST_NUMBERS // max(sum(sizes), 1))))
    return np.unique(np.linspace(0, length - 1, count).astype(np.int64))


def _activity(layer: keras.layers.Layer, z: np.ndarray, out: np.ndarray) -> Record:
    z, out = z.astype(np.float32), out.astype(np.float64)
    with np.errstate(all="ignore"):  # a run that diverges has infinite activations, and says so
        dead, saturated = dead_and_saturated(slopes(layer, z))
        whole = np.isfinite(z).all()
        return {
            "units": out.shape[-1],
            "dead": float(dead.mean()) if whole else math.nan,
            "saturated": float(saturated.mean()) if whole else math.nan,
            "activation_mean": float(out.mean()),
            "activation_std": float(out.std()),
        }


def as_stored(inputs: Any, rows: slice = slice(None)) -> Any:
    """Return some rows of arrays as the network takes them: pixels as float32, indices as they are."""

    def cut(array: np.ndarray) -> np.ndarray:
        part = np.asarray(array[rows])
        return part if part.dtype.kind == "i" else part.astype(np.float32)

    return keras.tree.map_structure(cut, inputs)
