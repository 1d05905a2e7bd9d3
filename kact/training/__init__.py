"""Training a run: what it is put together from, how it goes on and stops, what it notes and shows.

>>> from kact.experiment import Experiment
>>> len(load_arrays_of(Experiment(task="digits", validation_fraction=0.5)).validation)
721
"""

from kact.training.assembly import load_arrays_of
from kact.training.progress import Console

__all__ = ["Console", "load_arrays_of"]
