"""kact: which activation function, and does it matter?

Train the same Keras 3 network with each candidate: `kact.run(kact.Experiment(task="digits", activation="mish"))`.
Importing kact sets no backend, no seed and no global flag.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kact import activations as activations
    from kact import models as models
    from kact import tasks as tasks
    from kact.errors import KactError as KactError
    from kact.experiment import Experiment as Experiment
    from kact.many import run_many as run_many
    from kact.models import build_model as build_model
    from kact.predict import Predictor as Predictor
    from kact.runs import Run as Run
    from kact.tasks import load_task as load_task
    from kact.train import run as run

_HOMES = {  # the module that each public name is loaded from, on first use
    "Experiment": "experiment", "KactError": "errors", "Predictor": "predict", "Run": "runs", "build_model": "models",
    "load_task": "tasks", "run": "train", "run_many": "many",
}  # fmt: skip
__all__ = [*_HOMES, "activations", "models", "tasks"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"kact.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"kact.{name}")
    raise AttributeError(f"module 'kact' has no attribute {name!r}")
