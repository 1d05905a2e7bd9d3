"""Batch norm whose training step is a handful of kernels on torch; Keras composes it of some twenty.

>>> layer = BatchNorm(epsilon=1e-5)
>>> type(layer).from_config(layer.get_config()).epsilon
1e-05
"""

from __future__ import annotations

from typing import Any

import keras

from kact import backend


@keras.saving.register_keras_serializable("kact")
class BatchNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, faster in training on the torch backend.

    Arguments, weights, outputs, running averages and saved files are those of Keras, but for a batch whose variance is
    rounded to less than zero, as that of a single example may be: Keras on torch then puts out NaN. PyTorch's own
    kernel is wrong by 6e-3 in channels-last memory and is not used.

    Source: S. Ioffe & C. Szegedy, Batch normalization (2015), https://arxiv.org/abs/1502.03167.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return normalised `inputs`, of the same shape `(batch, ..., channels)`."""
        if not (training and self.trainable and mask is None and self._is_native(inputs)):
            return super().call(inputs, training=training, mask=mask)
        from kact.layers.batch_norm_torch import normalise

        scale = None if self.gamma is None else self.gamma.value
        offset = None if self.beta is None else self.beta.value
        outputs, mean, variance = normalise(inputs, scale, offset, self.epsilon)
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average.value.lerp(value, 1 - self.momentum))  # a·momentum + value·(1 - momentum)
        return outputs

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        mean, variance = super()._moments(inputs, mask)
        return mean, keras.ops.maximum(variance, 0)

    def _is_native(self, inputs: Any) -> bool:
        if backend.name() != "torch" or self.renorm or self.synchronized:
            return False
        import torch

        if torch._C._functorch.is_functorch_wrapped_tensor(inputs):  # many members at once: `vmap` knows Keras' way
            return False
        last = self.axis in (-1, inputs.ndim - 1)
        return last and inputs.ndim in (2, 4) and inputs.dtype == torch.float32 and inputs.device.type != "meta"
