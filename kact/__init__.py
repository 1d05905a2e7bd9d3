"""kact: which activation function, and does it matter?

Train the same Keras 3 network with each candidate: `kact.run(kact.Experiment(task="digits", activation="mish"))`.
Importing kact sets no backend, no seed and no global flag.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kact import activations, models, tasks
    from kact.errors import KactError
    from kact.experiment import Experiment
    from kact.many import run_many
    from kact.models import build_model
    from kact.predict import Predictor
    from kact.runs import Run
    from kact.tasks import load_task
    from kact.train import run

__all__ = [
    "Experiment",
    "KactError",
    "Predictor",
    "Run",
    "activations",
    "build_model",
    "load_task",
    "models",
    "run",
    "run_many",
    "tasks",
]

_HOMES = {
    "Experiment": "experiment",
    "KactError": "errors",
    "Predictor": "predict",
    "Run": "runs",
    "build_model": "models",
    "load_task": "tasks",
    "run": "train",
    "run_many": "many",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"kact.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"kact.{name}")
    raise AttributeError(f"module 'kact' has no attribute {name!r}")
