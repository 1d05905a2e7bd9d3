"""One finished run of a study, as the results table keeps it and as statistics and reports read it.

>>> row = ResultRow("1a2b", 0, "compare", {"activation": "relu"}, {"task": "digits"}, "failed", error="no disk")
>>> row.score("test", "accuracy") is None
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from kact.storage.structure import fault

STAGES = ("tune", "compare")  # what chose settings on validation, and what is compared by its test score
STATUSES = ("finished", "diverged", "failed")

_NUMBER = (float, None)
_PLAIN = (str, float, bool, None)
_SCORES = ({**{f"{name}?": _NUMBER for name in ("accuracy", "loss", "precision", "recall", "f1")}}, None)
_METRICS = {
    **{f"{split}?": _SCORES for split in ("train", "validation", "test")},
    "timing?": {"train_seconds?": _NUMBER, "inference_seconds_for_10000?": _NUMBER},
    "model?": {"parameters?": (int, None)},
    "provenance?": {"backend?": str, "device?": str},
}
_PICTURE = {  # of a row, as `kact.storage.structure` takes it
    "hash": str, "seed": int, "stage": str, "cell": {str: (*_PLAIN, [(*_PLAIN, [_PLAIN])])},
    "experiment": {"model?": {"name?": str}}, "status": str, "metrics": (_METRICS, None),
    "history": [{str: _NUMBER}], "error": str, "path": str, "attempts": int, "finished_at": float,
}  # fmt: skip


@dataclass(frozen=True)
class ResultRow:
    """One run of a study.

    Attributes:
        hash: of its experiment, without the seed.
        seed: of the run; (stage, hash, seed) is unique.
        stage: one of `STAGES`.
        cell: factor name to its value in this run, such as {"activation": "relu", "batch_size": 24}.
        experiment: `Experiment.to_dict()`.
        status: one of `STATUSES`; a diverged run is a result, a failed one was tried twice and ended with `error`.
        metrics: the run's `metrics.json`; None where it failed.
        history: the run's `history.csv`, a mapping an epoch; empty where it failed.
        error: what ended a failed run, in words; "" otherwise.
        path: the run's directory, relative to the study's.
        attempts: how often it was begun.
        finished_at: seconds since the epoch (Unix time) when the row was written.
    """

    hash: str
    seed: int
    stage: str
    cell: Mapping[str, Any]
    experiment: Mapping[str, Any]
    status: str
    metrics: Mapping[str, Any] | None = None
    history: Sequence[Mapping[str, float]] = ()
    error: str = ""
    path: str = ""
    attempts: int = 1
    finished_at: float = 0.0

    def score(self, split: str, name: str) -> float | None:
        """Return one score, such as `score("test", "accuracy")`; None where the run has none.

        Args:
            split: "train", "validation" or "test".
            name: one of `kact.studies.study.SCORES`; all but the loss are fractions in [0, 1].
        """
        scores = (self.metrics or {}).get(split)
        return None if scores is None else scores.get(name)


def row_fault(values: Mapping[str, Any]) -> str:
    """Return what keeps values from being those of a row that kact wrote, or "".

    Example:
        >>> row_fault({"hash": "1a2b", "seed": "first"})
        "seed is 'first', not a whole number"
    """
    if wrong := fault(values, _PICTURE):
        return wrong
    for name, known in (("stage", STAGES), ("status", STATUSES)):
        if values[name] not in known:
            return f"{name} is {values[name]!r}"
    path = PurePath(values["path"])
    return f"path is {str(path)!r}, outside of the study" if path.is_absolute() or ".." in path.parts else ""
