"""Many runs at once: experiments that differ in numbers only, trained as one program, each equal to its own run.

>>> import tempfile
>>> from kact.experiment import Experiment
>>> seeds = [Experiment(model={"name": "mlp", "hidden_units": [16]}, epochs=2, seed=seed) for seed in range(3)]
>>> [finished.metrics["epochs"] for finished in run_many(seeds, out=tempfile.mkdtemp())]
[2, 2, 2]
"""

from __future__ import annotations

from kact.many.groups import TOGETHER
from kact.many.runs import run_many

__all__ = ["TOGETHER", "run_many"]
