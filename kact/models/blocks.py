"""The layers that all models are laid out from: each hidden non-linearity is the activation under study.

Layer names depend on the architecture alone, and each layer's initial weights are drawn from (seed, layer name), so two
models that differ in the activation start from the same weights wherever their scheme is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kact import activations, backend
from kact.errors import KactError
from kact.models import initializers

POOLS = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}


@dataclass
class Blocks:
    """Makes named layers for one model.

    Attributes:
        activation: the spec of the activation under study.
        batch_norm: whether to normalise after each hidden linear layer.
        dropout: share of units or maps set to zero in training, in [0, 1).
        initializer: a name of `kact.models.initializers.SCHEMES`.
        seed: of the initial weights.
    """

    activation: str
    batch_norm: bool = False
    dropout: float = 0.0
    initializer: str = "auto"
    seed: int = 0

    def convolution(
        self,
        x: keras.KerasTensor,
        filters: int,
        kernel_size: int,
        *,
        name: str,
        stride: int = 1,
        padding: str | int = "valid",
    ) -> keras.KerasTensor:
        """Convolve; `padding` is "valid", "same", or a number of zero pixels on every side."""
        if isinstance(padding, int) and padding > 0:
            x = keras.layers.ZeroPadding2D(padding, name=f"{name}_padding")(x)
        height, width = x.shape[1:3]
        if padding != "same" and kernel_size > min(height, width):
            raise KactError(
                f"The kernel of {name!r} is {kernel_size}x{kernel_size} and what it sees only {height}x{width}.",
                'Use a smaller kernel, fewer layers or poolings, or padding "same".',
            )
        layer = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding="same" if padding == "same" else "valid",
            data_format="channels_last",
            name=name,
            **self._initializers(name, fan_in=kernel_size * kernel_size * x.shape[-1]),
        )
        return layer(x)  # (batch, height, width, filters)

    def pool(
        self,
        x: keras.KerasTensor,
        kind: str,
        size: int,
        *,
        name: str,
        stride: int | None = None,
        padding: str = "valid",
    ) -> keras.KerasTensor:
        """Pool each map by its maximum or average; kind "none" returns `x` as it is."""
        if kind == "none":
            return x
        height, width = x.shape[1:3]
        if padding != "same" and size > min(height, width):
            raise KactError(
                f"The pooling {name!r} is {size}x{size} and what it sees only {height}x{width}.",
                'Use fewer poolings or layers, or padding "same".',
            )
        return POOLS[kind](size, strides=stride, padding=padding, data_format="channels_last", name=name)(x)

    def flatten(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Lay the maps of an image out as one vector."""
        return keras.layers.Flatten(data_format="channels_last", name="flatten")(x)  # (batch, height·width·channels)

    def dense(self, x: keras.KerasTensor, units: int, *, name: str) -> keras.KerasTensor:
        """Apply a dense layer without non-linearity."""
        layer = keras.layers.Dense(units, name=name, **self._initializers(name, fan_in=x.shape[-1]))
        return layer(x)  # (batch, units)

    def hidden_dense(
        self,
        x: keras.KerasTensor,
        units: int,
        *,
        name: str,
        dropout: bool = True,
        mask: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        """Apply dense, batch norm if asked for, the activation, and dropout if asked for."""
        x = self.dense(x, units, name=name)
        x = self.activate(self.norm(x, name=name, mask=mask), name=name)
        return self.drop(x, name=name) if dropout else x

    def norm(self, x: keras.KerasTensor, *, name: str, mask: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Normalise each channel over the batch, with PyTorch's constants (epsilon 1e-5, running averages over 10).

        Where there is a mask, what it hides does not count.
        """
        if not self.batch_norm:
            return x
        from kact.layers.batch_norm import BatchNorm

        layer = BatchNorm(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")
        return layer(x) if mask is None else layer(x, mask=mask)

    def activate(self, x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
        """Apply a fresh instance of the activation under study."""
        return activations.make(self.activation, name=f"{name}_activation")(x)

    def drop(self, x: keras.KerasTensor, *, name: str, whole_maps: bool = False) -> keras.KerasTensor:
        """Set units, or whole feature maps, to zero at the dropout rate."""
        if not self.dropout:
            return x
        from kact.layers.dropout import Dropout, FeatureMapDropout

        kind = FeatureMapDropout if whole_maps else Dropout
        return kind(self.dropout, name=f"{name}_dropout")(x)

    def logits(self, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        """Apply the output layer, in float32 whatever the precision of the rest."""
        scheme = "glorot_uniform" if self.initializer == "auto" else self.initializer
        made = initializers.make(scheme, "linear", x.shape[-1], self.seed_of("logits"))
        return keras.layers.Dense(classes, dtype="float32", name="logits", **made)(x)  # (batch, classes)

    def _initializers(self, name: str, fan_in: int) -> dict[str, keras.Initializer]:
        return initializers.make(self.initializer, self.activation, fan_in, self.seed_of(name))

    def seed_of(self, name: str) -> int:
        """Return the seed of a layer's initial weights, a function of the model's seed and the layer's name alone."""
        return backend.stream_seed(self.seed, f"initial weights of {name}")


@dataclass
class HeadBlocks(Blocks):
    """Makes the layers of a new head on a backbone's features, under names that the backbone does not have.

    Attributes:
        prefix: of the names.
    """

    prefix: str = "head_"

    def flatten(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return features as they are: `(batch, features)`."""
        return x

    def hidden_dense(self, x: keras.KerasTensor, units: int, *, name: str, **how: Any) -> keras.KerasTensor:
        return super().hidden_dense(x, units, name=f"{self.prefix}{name}", **how)
