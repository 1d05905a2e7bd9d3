"""How a training step runs: captured and replayed on torch, or stock Keras on any backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kact import backend
from kact.spec import choose

if TYPE_CHECKING:
    import keras

    from kact.engine.stock import StockEngine

ENGINES = ("auto", "stock")


def make_engine(
    name: str, model: keras.Model, optimizer: keras.Optimizer, loss: Callable[..., Any], l2: float
) -> StockEngine:
    """Return what trains and scores a model.

    Args:
        name: "auto", captured steps on torch and stock Keras on other backends and where a step cannot be captured;
            or "stock".
        model: built; compiled by the engine.
        optimizer: of Keras.
        loss: from (labels, outputs) to a loss an example.
        l2: λ of the penalty λ/2·‖w‖² over every trainable weight.

    Raises:
        KactError: for another name.
    """
    from kact.engine.stock import StockEngine

    if choose(name, ENGINES, {}, "engine") == "auto" and backend.name() == "torch":
        from kact.engine.captured import CapturedEngine

        return CapturedEngine(model, optimizer, loss, l2)
    return StockEngine(model, optimizer, loss, l2)
