"""What in a network escapes its experiment: an activation with no place in it or that mixes examples, others beside it.

kact's own models are tested to have none of these; a model of one's own, or a head on a backbone, may.

>>> from kact.experiment import Experiment
>>> from kact.models import build_model
>>> network = build_model("lenet", (32, 32, 3), 10, activation="mish")
>>> list(escapes(network, Experiment(model="lenet", activation="mish")))
[]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kact.activations.layers import ActivationLayer
from kact.activations.own import mixes_examples
from kact.diagnostics.feature_maps import layers_of
from kact.experiment import Experiment
from kact.models import MLP
from kact.models.model import is_own

if TYPE_CHECKING:
    import keras

_NON_LINEARITIES = ("ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax")


def escapes(network: keras.Model, experiment: Experiment) -> Iterator[str]:
    """Yield, in a sentence or two each, what of a network is not as its experiment says.

    Args:
        network: as it was built.
        experiment: what is to be trained.
    """
    layers = layers_of(network)
    head = experiment.backbone is not None and isinstance(experiment.model, MLP)
    if not any(
        isinstance(layer, ActivationLayer) and layer.spec == experiment.activation
        for name, layer in layers.items()
        if name.startswith("head_") or not head
    ):
        yield f"The activation {experiment.activation!r} is nowhere in this network: any other trains the same." + (
            " Its head has no hidden layer: give it one with --hidden-units, or name the backbone's own --model."
            if head
            else ""
        )
    if mixes_examples(experiment.activation):
        yield (
            f"The activation {experiment.activation!r} makes of an example something that depends on the other examples"
            " of the batch: so do its scores, and a prediction for one alone is another."
        )
    if not is_own(type(experiment.model)):
        return
    others = [f"{name} ({found})" for name, layer in layers.items() if (found := _own_activation(layer))]
    if others:
        yield (
            f"Not every non-linearity is {experiment.activation!r}: {', '.join(others)}."
            " Make hidden layers with `blocks`, or call blocks.activate."
        )
    unseeded = [name for name, layer in layers.items() if _draws_unseeded(layer)]
    if unseeded:
        yield (
            f"The seed does not decide the initial weights of {', '.join(unseeded)}: runs cannot be repeated."
            " Make hidden layers with `blocks`, or give their initializers blocks.seed_of(name)."
        )


def _own_activation(layer: keras.layers.Layer) -> str:
    """Return the activation that a layer applies by itself, "" for none."""
    found = _config(layer).get("activation")
    name = found.get("class_name", "another") if isinstance(found, dict) else found
    if name not in (None, "linear"):
        return str(name)
    kind = type(layer)
    return kind.__name__ if kind.__module__.startswith("keras.") and kind.__name__ in _NON_LINEARITIES else ""


def _config(layer: keras.layers.Layer) -> dict[str, Any]:
    try:
        return dict(layer.get_config())
    except NotImplementedError:  # a layer of one's own need not have one to be trained
        return {}


def _draws_unseeded(layer: keras.layers.Layer) -> bool:
    found = (value for name, value in _config(layer).items() if name.endswith("_initializer"))
    configs = (one.get("config", {}) for one in found if isinstance(one, dict))
    return any("seed" in config and config["seed"] is None for config in configs)
