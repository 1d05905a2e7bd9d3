"""One member of a stack, as an engine of its own run: it scores with what the whole stack computed at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kact.engine.stock import StockEngine
from kact.many.stack import Stack
from kact.tasks import Split
from kact.text.encoded import EncodedSplit


class MemberEngine(StockEngine):
    """Scores one model of a stack. The stack trains it.

    Args:
        stack: that it is in.
        index: of its row.
    """

    name = "many"

    def __init__(self, stack: Stack, index: int) -> None:
        self.model = stack.models[index]
        self.stack = stack
        self.index = index

    @property
    def facts(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"members": len(self.stack)}

    def outputs_of(self, split: Split | EncodedSplit) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's outputs for a whole split and its labels, as `StockEngine.outputs_of` does."""
        return self.timed_outputs_of(split)[:2]

    def timed_outputs_of(self, split: Split | EncodedSplit) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the same, and this member's share of the seconds that all of them took together."""
        assert isinstance(split, Split)  # sentences do not train together
        outputs, seconds = self.stack.outputs_of(split)
        return outputs[self.index], split.arrays()[1], seconds / len(self.stack)
