"""Dropout that draws the same whatever the layout of its input in memory, by torch's own stream on torch.

>>> layer = FeatureMapDropout(0.5)
>>> type(layer).from_config(layer.get_config()).rate
0.5
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kact")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`: sets each unit to zero at the rate, in training, and scales the others up.

    Source: N. Srivastava et al., Dropout (2014), https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return `inputs`, of any shape, thinned out in training."""
        if not training or not self.rate:
            return inputs
        kept = ops.ones(ops.shape(inputs), dtype=inputs.dtype)
        return inputs * keras.random.dropout(kept, self.rate, seed=self.seed_generator)


@keras.saving.register_keras_serializable("kact")
class FeatureMapDropout(keras.layers.SpatialDropout2D):
    """`keras.layers.SpatialDropout2D` over channels-last maps: sets whole maps to zero at the rate, in training.

    Source: J. Tompson et al., Efficient object localization using convolutional networks (2015),
    https://arxiv.org/abs/1411.4280.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return `inputs`, `(batch, height, width, channels)`, without some of their maps in training."""
        if not training or not self.rate:
            return inputs
        kept = ops.ones_like(inputs[:, :1, :1, :])  # (batch, 1, 1, channels)
        return inputs * keras.random.dropout(kept, self.rate, seed=self.seed_generator)
