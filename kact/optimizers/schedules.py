"""The learning rate as a function of the step: a warm-up, then constant or cosine.

Cosine after Loshchilov & Hutter 2017 (https://arxiv.org/abs/1608.03983); the one-cycle policy after Smith & Topin 2018
(https://arxiv.org/abs/1708.07120), with cosine legs.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kact")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """From `initial`, up to the peak over the warm-up, then constant, or down to `final` along a cosine.

    Args:
        peak: the highest learning rate.
        steps: of the whole run.
        warmup_steps: over which the rate rises: along a line, or along a cosine when `initial` is above 0.
        shape: "constant" or "cosine": what follows the warm-up.
        initial, final: shares of the peak.

    Example:
        >>> schedule = LearningRate(0.1, steps=100, warmup_steps=0, shape="cosine")
        >>> round(float(schedule(50)), 6)
        0.05
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        warmup_steps: float,
        shape: str,
        initial: float = 0.0,
        final: float = 0.0,
    ) -> None:
        super().__init__()
        self.peak = peak
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.shape = shape
        self.initial = initial
        self.final = final

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        if self.shape == "cosine":
            left = max(self.steps - self.warmup_steps, 1.0)
            share = ops.clip((step - self.warmup_steps) / left, 0.0, 1.0)
            falling = self.final + (1 - self.final) * 0.5 * (1 + ops.cos(math.pi * share))
        else:
            falling = ops.ones_like(step)
        if not self.warmup_steps:
            return self.peak * falling
        share = ops.clip(step / self.warmup_steps, 0.0, 1.0)
        if self.initial:  # one-cycle rises along a cosine as well
            share = 0.5 * (1 - ops.cos(math.pi * share))
        rising = self.initial + (1 - self.initial) * share
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "shape": self.shape,
            "initial": self.initial,
            "final": self.final,
        }
