"""Which epoch of a run is kept, and when the run ends: functions of its history alone, so that a resumed run agrees.

>>> best_epoch([{"validation_loss": 2.0}, {"validation_loss": 1.0}], "loss")
2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kact.experiment import Experiment
    from kact.runs.checkpoint import Checkpoint
    from kact.runs.history import Row


def best_epoch(history: Sequence[Row], monitor: str) -> int:
    """Return the epoch, counted from 1, with the best validation score; 0 if there is none, or none is finite.

    Of equal accuracies, common on small validation sets, the one with the lower loss; of equal losses the first.

    Args:
        history: a run's rows.
        monitor: "accuracy" (highest) or "loss" (lowest).

    Example:
        >>> best_epoch([{"validation_loss": 2.0}, {"validation_loss": 1.0}, {"validation_loss": 1.0}], "loss")
        2
    """
    ranked = [
        (-row["validation_accuracy"] if monitor == "accuracy" else 0.0, row["validation_loss"], number)
        for number, row in enumerate(history, start=1)
        if math.isfinite(row.get("validation_loss", math.nan))  # there is none where validation is trained on
    ]
    return min(ranked)[-1] if ranked else 0


def stopped_by(experiment: Experiment, checkpoint: Checkpoint) -> str | None:
    """Return which rule ends the run after the epochs in `checkpoint`, or None.

    One of "diverged", "loss" (the training loss fell below `stop_below`), "patience" and "epochs".
    """
    history = checkpoint.history
    if not history:
        return None
    last = history[-1]
    if not all(math.isfinite(loss) for name, loss in last.items() if name in ("train_loss", "validation_loss")):
        return "diverged"
    if experiment.stop_below is not None and last["train_loss"] < experiment.stop_below:
        return "loss"
    if experiment.patience is not None and len(history) - checkpoint.best_epoch >= experiment.patience:
        return "patience"
    return "epochs" if len(history) >= experiment.epochs else None
