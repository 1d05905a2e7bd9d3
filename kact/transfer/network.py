"""Transfer: what is built on a backbone, a new head or the same network with another activation.

After Yosinski et al. 2014, How transferable are features in deep neural networks? (https://arxiv.org/abs/1411.1792).
The experiment's model says what is made of its backbone. An `mlp`, the default, is a head on the backbone's features,
and the activation under study is that of its hidden layers, if it has any. The backbone's own kind of network is that
network with the activation under study at every site, starting from the backbone's weights:
`kact train --backbone alexnet-imagenet --model alexnet --activation mish`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import activations
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import MLP, Model, build_model
from kact.models.own import checked_features, failing_as_own
from kact.tasks import Task
from kact.transfer.backbones import Backbone, load_backbone

if TYPE_CHECKING:
    import keras


def starting_model(experiment: Experiment, task: Task) -> tuple[keras.Model, str | None]:
    """Return the model that an experiment starts from, and the digest of its backbone's weights if it has one.

    Args:
        experiment: what is trained.
        task: the record of its data, with the labels and the normalisation that were found there.

    Raises:
        KactError: if the model does not fit the images, or the backbone cannot be had or built on.

    Example:
        >>> from kact.tasks import get_task
        >>> starting_model(Experiment(task="digits"), get_task("digits"))[0].count_params()
        17226
    """
    shared = layer_settings(experiment)
    classes = len(task.labels)
    if experiment.backbone is None:
        model = build_model(experiment.model, task.input_shape, classes, mean=task.mean, std=task.std, **shared)
        return model, None
    backbone = load_backbone(experiment.backbone, task.input_shape)
    return build_on(backbone, experiment.model, classes, freeze=experiment.freeze, **shared), backbone.sha256


def layer_settings(experiment: Experiment) -> dict[str, Any]:
    """Return what an experiment says of every hidden layer, whatever the network."""
    names = ("activation", "batch_norm", "dropout", "initializer", "seed")
    return {name: getattr(experiment, name) for name in names}


def build_on(
    backbone: Backbone,
    model: Model,
    classes: int,
    *,
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float = 0.0,
    initializer: str = "auto",
    seed: int = 0,
    freeze: bool = False,
) -> keras.Model:
    """Build the Keras model that starts from a backbone.

    Args:
        backbone: its layers become part of the model.
        model: an `mlp` is a head on its features; any other is the backbone's own network with a new activation.
        classes: number of labels.
        activation, batch_norm, dropout, initializer, seed: as for `kact.models.build_model`.
        freeze: whether the backbone's weights stay as they are; its batch norms then keep their statistics too.

    Returns:
        A functional model from stored images to float32 logits `(batch, classes)`.

    Raises:
        KactError: if the model is neither a head nor fits the backbone's weights.
    """
    import keras

    from kact.models.blocks import HeadBlocks

    network = backbone.network
    if isinstance(model, MLP):
        names, prefix = [layer.name for layer in network.layers], "head_"
        while any(name.startswith(prefix) for name in names):  # the backbone has such a head itself
            prefix = f"head_{prefix}"
        spec = activations.canonical_spec(activation)
        blocks = HeadBlocks(spec, batch_norm, dropout, initializer, seed, prefix)
        with failing_as_own(model.spec):
            features = checked_features(model, model.hidden(network.outputs[0], blocks), "(batch, units)")
        outputs = blocks.logits(features, classes)
        built, kept = keras.Model(network.inputs[0], outputs, name="transfer"), network.layers
    else:
        mean, std = _normalisation(backbone)
        built = build_model(
            model,
            network.inputs[0].shape[1:],
            classes,
            activation=activation,
            batch_norm=batch_norm,
            dropout=dropout,
            initializer=initializer,
            mean=mean,
            std=std,
            seed=seed,
        )
        kept = _take_over(backbone, built)
    for layer in kept if freeze else ():
        layer.trainable = False
    return built


def _normalisation(backbone: Backbone) -> tuple[Sequence[float], Sequence[float]]:
    """Return the mean and the standard deviation that the backbone's first layer brings images to 0 and 1 by."""
    layers = {layer.name: layer for layer in backbone.network.layers}
    if "normalize" not in layers or any(layer.name.startswith("head_") for layer in layers.values()):
        raise KactError(
            f"The layers of the backbone {backbone.name!r} are not those of a model of kact.",
            "Leave --model out, or give --model mlp, for a head on top of it.",
        )
    scale, offset = (np.asarray(getattr(layers["normalize"], key), np.float64) for key in ("scale", "offset"))
    return (-offset / scale).tolist(), (1 / scale).tolist()


def _take_over(backbone: Backbone, built: keras.Model) -> list[keras.Layer]:
    """Copy the backbone's weights into the layers of the same name, and return these."""
    given = {layer.name: layer for layer in backbone.network.layers if layer.weights}
    copied = []
    for layer in built.layers:
        if layer.name == "logits" or not layer.weights:
            continue
        source = given.pop(layer.name, None)
        fits = source is not None and [w.shape for w in source.weights] == [w.shape for w in layer.weights]
        if fits:
            layer.set_weights(source.get_weights())
            copied.append(layer)
        elif not layer.name.endswith("_activation"):  # that of a new activation starts anew
            raise _unlike(backbone, layer.name)
    for name in given:
        if not name.endswith("_activation"):
            raise _unlike(backbone, name)
    return copied


def _unlike(backbone: Backbone, layer: str) -> KactError:
    return KactError(
        f"The model does not fit the backbone {backbone.name!r}: the layer {layer!r} differs in shape or is missing.",
        "Give the backbone's own --model, sizes and --batch-norm, or leave --model out for a head on top of it.",
    )
