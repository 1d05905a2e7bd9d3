"""Means over the tokens of padded sentences: a loss and a metric for Keras in which each real token counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class TokenLoss(keras.losses.Loss):
    """The mean of a loss over the tokens of a batch that are real, by their weights."""

    def __init__(self, loss: Callable[..., Any]) -> None:
        super().__init__(name="token_loss", reduction="mean_with_sample_weight")
        self.loss = loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.loss(y_true, y_pred)


class TokenMean(keras.metrics.Mean):
    """A mean in which each real token counts once; Keras' own averages each sentence first."""

    def __init__(self, value: Callable[..., Any], name: str) -> None:
        super().__init__(name=name)
        self.value = value

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = keras.ops.reshape(self.value(y_true, y_pred), (-1,))  # (batch·time,)
        super().update_state(values, keras.ops.reshape(sample_weight, (-1,)))
