"""The models: one file an architecture, each a frozen dataclass of its sizes with the activation left open.

>>> build_model("lenet", (32, 32, 3), 10, activation="mish").count_params()
62006
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kact import activations
from kact.errors import KactError, nearest
from kact.models import initializers
from kact.models.alexnet import AlexNet
from kact.models.bilstm_tagger import BiLSTMTagger
from kact.models.cnn import CNN
from kact.models.lenet import LeNet
from kact.models.mlp import MLP
from kact.models.model import Model
from kact.models.own import check_found_again, checked_features, failing_as_own, own_class
from kact.models.presets import PRESETS
from kact.models.strided_cnn import StridedCNN
from kact.models.tagger import Tagger, build_tagger
from kact.models.window_tagger import WindowTagger
from kact.own_code import way_in
from kact.settings import frozen, known_settings
from kact.spec import choose

if TYPE_CHECKING:
    import keras

__all__ = [
    "CNN",
    "MLP",
    "MODELS",
    "PRESETS",
    "AlexNet",
    "BiLSTMTagger",
    "LeNet",
    "Model",
    "StridedCNN",
    "Tagger",
    "WindowTagger",
    "build_model",
    "build_tagger",
    "described_layers",
    "habitual_batch_norm",
    "make_model",
]

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (MLP, CNN, LeNet, StridedCNN, AlexNet, WindowTagger, BiLSTMTagger)
}


def make_model(model: Model | str | Mapping[str, Any]) -> Model:
    """Return the model for an instance, a name, or a mapping of `name` and sizes, as in an experiment's TOML.

    A name is one of `MODELS`, with its default sizes, one of `PRESETS`, with a published study's, or
    `package.module:Class` for a class of one's own, which is imported.

    Raises:
        KactError: for an unknown name or size, or a class that cannot be imported or found again.

    Example:
        >>> make_model({"name": "mlp", "hidden_units": [32]})
        MLP(hidden_units=(32,))
    """
    if isinstance(model, Model):
        check_found_again(model)
        return model
    if isinstance(model, str):
        model = PRESETS[model].model.to_dict() if model in PRESETS else {"name": model}
    if not isinstance(model, Mapping) or not isinstance(model.get("name"), str):
        raise KactError.parameter("model", model, "a model, or a table with the `name` of one and its sizes")
    sizes = {key: frozen(value) for key, value in model.items() if key != "name"}
    kind = own_class(model["name"]) if ":" in model["name"] else MODELS[choose_model(model["name"])]
    known_settings(kind, sizes, f"model {kind.name}")
    with failing_as_own(model["name"]):
        return kind(**sizes)


def habitual_batch_norm(model: Model | str | Mapping[str, Any]) -> bool:
    """Return whether hidden layers are normalised where an experiment does not say; a published study's never are.

    Example:
        >>> habitual_batch_norm("cnn"), habitual_batch_norm("cifar-small"), habitual_batch_norm("mlp")
        (True, False, False)
    """
    if isinstance(model, str) and model in PRESETS:
        return False
    return make_model(model).batch_norm


def choose_model(name: str) -> str:
    """Return `name` if a model is called so, or raise with the names of all of them and the nearest preset."""
    preset = None if nearest(name, MODELS) else nearest(name, PRESETS)
    choices = [*MODELS, preset] if preset else MODELS  # all presets would fill the screen
    more = "See them all with `kact list models` and `kact list presets`."
    return choose(name, choices, {}, "model", f"{more} {way_in(name, 'Class')}")


def build_model(
    model: Model | str | Mapping[str, Any],
    input_shape: Sequence[int],
    classes: int,
    *,
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float = 0.0,
    initializer: str = "auto",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build the Keras model: normalisation, the hidden layers with the activation in them, logits.

    The normalisation is a layer of the model, so a saved file takes images as they are stored.

    Args:
        model: an instance, or a name or a mapping that `make_model` takes.
        input_shape: `(height, width, channels)`, on every backend.
        classes: number of labels.
        activation: an activation spec; every hidden non-linearity of the model is a fresh instance of it.
        batch_norm: whether each hidden layer normalises over the batch.
        dropout: rate in [0, 1) after the hidden layers.
        initializer: a name of `kact.models.initializers.SCHEMES`.
        mean, std: per channel, in the units of the input; None leaves the input as it is.
        seed: of the initial weights.

    Returns:
        A functional model from `(batch, height, width, channels)` to float32 logits `(batch, classes)`.

    Raises:
        KactError: if a name or a size is unusable, or a kernel does not fit its input.
    """
    import keras

    from kact.models.blocks import Blocks

    sizes = make_model(model)
    choose(initializer, initializers.SCHEMES, {}, "initializer")
    blocks = Blocks(activations.canonical_spec(activation), batch_norm, dropout, initializer, seed)
    inputs = keras.Input(tuple(input_shape), name="image")
    x = inputs
    if mean is not None and std is not None:
        scale = [1 / value for value in std]
        offset = [-centre / value for centre, value in zip(mean, std, strict=True)]
        x = keras.layers.Rescaling(scale, offset, name="normalize")(x)
    with failing_as_own(sizes.spec):
        x = checked_features(sizes, sizes.hidden(x, blocks), "(batch, units)")
        return keras.Model(inputs, blocks.logits(x, classes), name=sizes.name)


def described_layers(model: keras.Model) -> list[dict[str, Any]]:
    """Return each layer's name, kind, output shape without the batch, and number of parameters."""
    return [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for layer in model.layers
    ]
