"""Metrics: what a run's `metrics.json` holds, and what of it must go together for it to be believed.

>>> check_metrics({"status": "finished"}, Path("metrics.json"))
Traceback (most recent call last):
kact.errors.KactError: 'metrics.json' is not of a run that kact made: stopped_by is missing.
Delete it and give the run's training command again: it is written anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kact.errors import KactError
from kact.storage.structure import fault

_SHARES = {"precision": float, "recall": float, "f1": float}
_SCORES = {
    **_SHARES,
    "loss": float,
    "accuracy": float,
    "examples": int,
    "per_class": {str: {**_SHARES, "examples": int}},
    "confusion": [[float]],
}
METRICS = {  # as `kact.storage.structure` takes it
    "status": str,
    "stopped_by": str,
    "epochs": int,
    "best_epoch": int,
    "kept_epoch": int,
    "train": (_SCORES, None),
    "validation": (_SCORES, None),
    "test": (_SCORES, None),
    "timing": {"train_seconds": float, "epoch_seconds": [float], "inference_seconds_for_10000": (float, None)},
    "task?": {"labels": [str], "input_shape": [int], "fit": str},
    "model": {
        "parameters": int,
        "layers": [{"name": str, "kind": str, "output_shape": [(int, None)], "parameters": int}],
    },
    "provenance": {
        "backend": str,
        "device": str,
        "data": str,
        "versions": {str: str},
        "files": {str: str},
        "activation?": [(float, None)],
        "layout?": {"input_shape": [int], "layers": str},
    },
}

_STATUSES = ("finished", "diverged")
_STOPS = ("epochs", "patience", "loss", "diverged")


def commonest_share(scores: Mapping[str, Any]) -> float | None:
    """Return the accuracy of naming the commonest label of a split for all; None where labels were not counted.

    Example:
        >>> commonest_share({"examples": 10, "per_class": {"cat": {"examples": 7}, "dog": {"examples": 3}}})
        0.7
    """
    counts = [one["examples"] for one in (scores.get("per_class") or {}).values()]
    return max(counts) / scores["examples"] if counts else None


def learned_nothing(scores: Mapping[str, Any]) -> bool:
    """Return whether an accuracy is no more than luck beside naming the commonest label: two standard errors above.

    Example:
        >>> labels = {"cat": {"examples": 70}, "dog": {"examples": 30}}
        >>> [learned_nothing({"accuracy": one, "examples": 100, "per_class": labels}) for one in (0.75, 0.85)]
        [True, False]
    """
    share = commonest_share(scores)
    if share is None:
        return False
    return bool(scores["accuracy"] <= share + 2 * math.sqrt(share * (1 - share) / scores["examples"]))


def check_metrics(metrics: Any, path: Path) -> None:
    """Raise a `KactError` that names the file and what is wrong, unless these are the metrics of a finished run.

    Args:
        metrics: content of `metrics.json`.
        path: of the file.
    """
    if wrong := fault(metrics, METRICS) or _unfit(metrics):
        raise KactError(
            f"'{path}' is not of a run that kact made: {wrong}.",
            "Delete it and give the run's training command again: it is written anew.",
            kind="damaged",
        )


def _unfit(metrics: dict[str, Any]) -> str:
    """Return what does not go together in metrics that have all their parts, or ""."""
    for key, known in (("status", _STATUSES), ("stopped_by", _STOPS)):
        if metrics[key] not in known:
            return f"{key} is {metrics[key]!r}"
    if not any(isinstance(metrics["timing"].get(f"{unit}_per_second"), int | float) for unit in ("images", "tokens")):
        return "timing has neither images nor tokens a second"
    for split in ("train", "validation", "test"):
        scores = metrics[split]
        if scores and {len(row) for row in (scores["confusion"], *scores["confusion"])} != {len(scores["per_class"])}:
            return f"{split}.confusion is not of {len(scores['per_class'])} classes"
    return ""
