"""Activations as Keras layers: one class for all that only compute, one each for those with weights or chance.

A layer carries its spec in its config, so that a saved model loads in Keras' safe mode after `import
kact.activations.layers`. The shape of the input is free; its last axis holds the channels.

>>> restored = keras.layers.deserialize(keras.layers.serialize(make_layer("celu(alpha=0.5)")))
>>> restored.spec
'celu(alpha=0.5)'
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from kact import activations
from kact.activations import functions, own
from kact.activations.functions import Tensor
from kact.errors import KactError


@keras.saving.register_keras_serializable("kact", "activation")
class ActivationLayer(keras.layers.Layer):
    """Applies one activation of the table, or one's own function, to each element.

    Args:
        spec: the activation, as in `kact.activations`.
        keywords: Keras' own: name, dtype, trainable.

    Raises:
        KactError: for a spec that cannot be used, or that needs another class.

    Example:
        >>> float(ActivationLayer("squareplus(b=16)")(ops.array([0.0]))[0])
        2.0
    """

    def __init__(self, spec: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.supports_masking = True
        self.spec = activations.canonical_spec(spec)
        record, self._options = activations.resolve(self.spec)
        needed = _CLASSES.get(record.name, ActivationLayer)
        if type(self) is not needed:
            raise KactError(
                f"The activation {record.name!r} needs the layer {needed.__name__}, not {type(self).__name__}.",
                "Build it with kact.activations.make().",
            )
        self._function = self._bound_function(record.name)

    def _bound_function(self, name: str) -> Callable[[Tensor], Tensor]:
        if ":" in name:
            return partial(own.own_function(name), **self._options)
        return partial(functions.FUNCTIONS[name], **self._options)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the activation of `inputs`, with the same shape and dtype."""
        return self._function(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "spec": self.spec}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ActivationLayer:
        """Return the layer for a config, as when a model is loaded.

        Raises:
            KactError: for a function of one's own that this process has not named itself. A file is not trusted to
                choose which Python function runs.
        """
        spec = config.get("spec", "")
        if not activations.was_asked_for(spec):
            raise KactError(
                f"The saved model applies the function {spec!r}, which nobody named in this process.",
                f"If you trust it, call kact.activations.canonical_spec({spec!r}) before loading.",
            )
        return super().from_config(config)


@keras.saving.register_keras_serializable("kact", "prelu")
class PReLU(ActivationLayer):
    """Applies x where x > 0 and alpha·x elsewhere, with one trainable alpha a channel (the last axis).

    He et al. 2015 (https://arxiv.org/abs/1502.01852) start alpha at 0.25 and keep weight decay off it.

    Example:
        >>> layer = PReLU("prelu")
        >>> layer.build((None, 28, 28, 6))
        >>> tuple(layer.alpha.shape)
        (6,)
    """

    def __init__(self, spec: str = "prelu", **keywords: Any) -> None:
        super().__init__(spec, **keywords)

    def _bound_function(self, name: str) -> Callable[[Tensor], Tensor]:
        return lambda inputs: functions.prelu(inputs, self.alpha)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create alpha for the channels of `input_shape`.

        Raises:
            KactError: if the number of channels is not known.
        """
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise KactError.parameter("input_shape", input_shape, "(batch, ..., channels) with channels known")
        self.alpha = self.add_weight(
            name="alpha",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self._options["initial_alpha"]),
        )
        super().build(input_shape)


@keras.saving.register_keras_serializable("kact", "rrelu")
class RReLU(ActivationLayer):
    """Applies x where x > 0 and a·x elsewhere; in training a is drawn from U(lower, upper) for each element anew.

    At inference a is the mean slope, (lower + upper) / 2, as in PyTorch. Xu et al. 2015
    (https://arxiv.org/abs/1505.00853) write x / a with a from U(3, 8) and divide by the mean of that, 5.5.

    Args:
        seed: of the draws; from Keras' own seed if None.

    Example:
        >>> layer = RReLU("rrelu(lower=0.25, upper=0.75)", seed=0)
        >>> float(layer(ops.array([-2.0]))[0])
        -1.0
    """

    def __init__(self, spec: str = "rrelu", *, seed: int | None = None, **keywords: Any) -> None:
        super().__init__(spec, **keywords)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def _bound_function(self, name: str) -> Callable[[Tensor], Tensor]:
        mean_slope = (self._options["lower"] + self._options["upper"]) / 2
        return partial(functions.leaky_relu, negative_slope=mean_slope)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the activation of `inputs`, with the same shape and dtype."""
        if not training:
            return self._function(inputs)
        slope = keras.random.uniform(
            ops.shape(inputs),
            self._options["lower"],
            self._options["upper"],
            dtype=self.compute_dtype,
            seed=self.seed_generator,
        )
        return functions.prelu(inputs, slope)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "seed": self.seed}


_CLASSES: dict[str, type[ActivationLayer]] = {"prelu": PReLU, "rrelu": RReLU}


def make_layer(spec: str, *, name: str | None = None, seed: int | None = None) -> ActivationLayer:
    """Return a fresh layer for `spec`; `kact.activations.make` is the same without importing Keras before it must.

    Raises:
        KactError: for a spec or a seed that cannot be used.

    Example:
        >>> type(make_layer("prelu")).__name__
        'PReLU'
    """
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise KactError.parameter("seed", seed, "None or a whole number from 0 on")
    record, _ = activations.resolve(spec)
    if record.name == "rrelu":
        return RReLU(spec, name=name, seed=seed)
    return _CLASSES.get(record.name, ActivationLayer)(spec, name=name)
