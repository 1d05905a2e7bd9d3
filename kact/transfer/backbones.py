"""Backbones: trained layers to start from, by name: `kact train --backbone NAME`.

NAME is `alexnet-imagenet`, the directory of a finished run, or a network of `keras.applications`. Each brings its own
normalisation and takes images as they are stored; what is built on it is `kact.transfer`'s. `alexnet-random` is the
same AlexNet with its initial weights, the control: what it does not reach is what ImageNet's weights bring.

>>> load_backbone("mobilnet_v2", (32, 32, 3))
Traceback (most recent call last):
kact.errors.KactError: The 'backbone' parameter must be alexnet-imagenet, alexnet-random, a run's directory or a name \
of keras.applications. Got 'mobilnet_v2' instead. Did you mean 'MobileNetV2'?
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError, nearest
from kact.model_file import read_model
from kact.models import build_model
from kact.models.alexnet_weights import MEAN, STD, imagenet_weights

if TYPE_CHECKING:
    import keras

IMAGENET, UNTRAINED = "alexnet-imagenet", "alexnet-random"
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Backbone:
    """Trained layers.

    Attributes:
        name: as it was asked for.
        network: from stored images `(batch, height, width, channels)` to features `(batch, features)`.
        sha256: digest of all of its weights, in hexadecimal.
    """

    name: str
    network: keras.Model
    sha256: str


def load_backbone(name: str, input_shape: Shape) -> Backbone:
    """Load trained layers for images of a size.

    Args:
        name: `alexnet-imagenet`, `alexnet-random`, the directory of a finished run, or a name of `keras.applications`.
        input_shape: (height, width, channels).

    Raises:
        KactError: if there is none of that name, its weights cannot be had, or it does not take such images.
    """
    applications = _applications()
    if name in (IMAGENET, UNTRAINED):
        network = _alexnet(name, input_shape)
    elif name.lower() in applications:
        network = _application(applications[name.lower()], input_shape)
    elif Path(name).expanduser().is_dir():
        network = _of_run(Path(name).expanduser(), input_shape)
    else:
        names = [IMAGENET, UNTRAINED, *applications.values()]
        guess = next((one for one in names if one.lower().startswith(name.lower())), nearest(name, names))
        raise KactError(
            f"The 'backbone' parameter must be {IMAGENET}, {UNTRAINED}, a run's directory or a name of "
            f"keras.applications. Got {name!r} instead." + (f" Did you mean {guess!r}?" if guess else "")
        )
    digest = hashlib.sha256()
    for array in network.get_weights():
        digest.update(np.ascontiguousarray(array).data)
    return Backbone(name, network, digest.hexdigest())


def _alexnet(name: str, input_shape: Shape) -> keras.Model:
    _check_colours(name, input_shape)
    whole = build_model("alexnet", input_shape, 1, mean=MEAN, std=STD)
    if name == IMAGENET:
        weights = imagenet_weights()
        for layer in whole.layers:
            if layer.weights and layer.name != "logits":
                layer.set_weights(weights[layer.name])
    return _features(whole)


def _of_run(path: Path, input_shape: Shape) -> keras.Model:
    from kact.runs import Run

    run = Run.load(path)
    run.check_activation()
    whole = read_model(run.model_path)
    if len(whole.inputs) != 1 or len(whole.inputs[0].shape) != 4:
        raise KactError(
            f"The run in '{path}' takes no images and cannot be the backbone of a network that does.",
            "Name the run of a network for images.",
        )
    network, shape = _features(whole), tuple(whole.inputs[0].shape[1:])
    for layer in network.layers:
        layer.trainable = True  # the run may have been frozen; this one says so itself
    return network if shape == tuple(input_shape) else _resized(network, input_shape, path)


def _resized(network: keras.Model, input_shape: Shape, path: Path) -> keras.Model:
    """Return the same layers for images of another size, if their weights do not depend on it."""
    import keras

    made = None
    if network.inputs[0].shape[3] == input_shape[2]:
        try:
            made = keras.models.clone_model(network, input_tensors=keras.Input(input_shape, name="image"))
        except ValueError:  # a kernel or a pooling larger than what is left of the image
            made = None
    if made is None or [a.shape for a in made.weights] != [a.shape for a in network.weights]:
        was, wanted = ("x".join(map(str, shape)) for shape in (network.inputs[0].shape[1:], input_shape))
        raise KactError(
            f"The run in '{path}' was trained on images of {was} and its layers do not fit {wanted}.",
            f"Give the task's images that size, or train a backbone on {wanted}.",
        )
    made.set_weights(network.get_weights())
    return made


def _application(name: str, input_shape: Shape) -> keras.Model:
    import keras

    _check_colours(name, input_shape)
    make = getattr(keras.applications, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the weights were trained on another size is no news here
            network = make(include_top=False, weights="imagenet", pooling="avg", input_shape=input_shape)
    except Exception as error:  # Keras raises a bare Exception where there is no network
        reason = str(error).splitlines()[0].rstrip(".")[:300]
        raise KactError(
            f"keras.applications cannot give {name} for images of {'x'.join(map(str, input_shape))}: {reason}.",
            "Connect to the network once, or choose another size or backbone.",
        ) from error
    inputs = keras.Input(input_shape, name="image")
    return keras.Model(inputs, network(_preprocessed(make, inputs)), name="backbone")


def _preprocessed(make: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply a network's own `preprocess_input` as layers: an order of the channels, a scale and an offset for each."""
    import keras

    preprocess = sys.modules[make.__module__].preprocess_input
    probes = np.concatenate([np.zeros((1, 1, 1, 3)), 255 * np.eye(3).reshape(3, 1, 1, 3)]).astype(np.float32)
    seen = np.asarray(preprocess(probes.copy(), data_format="channels_last"), np.float64)[:, 0, 0]
    offset, slopes = seen[0], (seen[1:] - seen[0]) / 255  # (channels,), (channel in, channel out)
    order = slopes.argmax(axis=0).tolist()
    if order != [0, 1, 2]:
        x = keras.ops.take(x, order, axis=-1)
    return keras.layers.Rescaling(slopes.max(axis=0).tolist(), offset.tolist(), name="normalize")(x)


def _applications() -> dict[str, str]:
    """Return the names of `keras.applications` by their small letters."""
    import keras

    return {name.lower(): name for name in dir(keras.applications) if name[0].isupper()}


def _features(whole: keras.Model) -> keras.Model:
    import keras

    return keras.Model(whole.inputs[0], whole.get_layer("logits").input, name="backbone")


def _check_colours(name: str, input_shape: Shape) -> None:
    if input_shape[2] != 3:
        raise KactError(
            f"The backbone {name!r} takes images of 3 channels; the task's have {input_shape[2]}.",
            "Choose a task of colour images, or a run of your own as the backbone.",
        )
