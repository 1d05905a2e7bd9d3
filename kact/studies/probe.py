"""Probe: what a study will cost, from a few steps of each of its networks.

>>> study = Study(base={"task": "digits", "epochs": 1}, grid={"activation": ["relu", "elu"]})
>>> estimate(study).networks
1
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from kact.experiment import Experiment
from kact.studies.row import STAGES
from kact.studies.selection import Selection
from kact.studies.study import Study

_STEPS = 32
_ALIKE = ("activation", "learning_rate", "l2", "initializer", "seed", "epochs", "keep", "monitor", "loss", "schedule")


@dataclass(frozen=True)
class StudyCost:
    """What a study will cost.

    Attributes:
        seconds: of all runs one after another, if none stops early.
        startup_seconds: until a worker has loaded what it needs, as this process did.
        bytes: on disk.
        networks: how many different ones were tried.
        probe_seconds: how long that took.
    """

    seconds: float
    startup_seconds: float
    bytes: int
    networks: int
    probe_seconds: float


@dataclass(frozen=True)
class _Cost:
    epoch_seconds: float
    other_seconds: float
    bytes: int


def estimate(study: Study, selection: Selection | None = None) -> StudyCost:
    """Train a few steps of each distinct network of a study, and return what all its runs will cost.

    Runs that differ only in activation, learning rate and the like count as one network.

    Args:
        study: what is to be run.
        selection: the cells that are; all unless given.

    Raises:
        KactError: if the data is missing.
    """
    began = time.perf_counter()
    costs: dict[tuple[Any, ...], _Cost] = {}
    sizes: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    seconds, startup, size = 0.0, 0.0, 0
    for stage, seeds in _stages(study):
        first = islice(study.experiments(stage), study.run_count(stage) // seeds)
        for _, experiment in (selection or Selection()).of(study, stage, first):
            alike = tuple(getattr(experiment, one.name) for one in fields(experiment) if one.name not in _ALIKE)
            if alike not in costs:
                split_sizes = _split_sizes(experiment, sizes)
                if not costs:  # the first loads libraries, as a worker does once and not in every run
                    _measure(experiment, split_sizes, study.continue_epochs)
                    startup = time.process_time()
                before = time.process_time()
                costs[alike] = _measure(experiment, split_sizes, study.continue_epochs)
                if len(costs) == 1:
                    startup = max(startup - (time.process_time() - before), 0.0)
            cost = costs[alike]
            seconds += seeds * (cost.other_seconds + experiment.epochs * cost.epoch_seconds)
            size += seeds * cost.bytes
    return StudyCost(seconds, startup, size, len(costs), time.perf_counter() - began)


def _stages(study: Study) -> Iterator[tuple[str, int]]:
    """Yield each stage with the number of its seeds."""
    for stage in STAGES:
        if study.run_count(stage):
            yield stage, len(study.tune.seeds if stage == "tune" and study.tune else study.seeds)


def _split_sizes(experiment: Experiment, known: dict[tuple[Any, ...], tuple[int, int, int]]) -> tuple[int, int, int]:
    """Return how many examples are trained on, and how many outputs are validated and scored in the end."""
    from kact.training.assembly import load_arrays_of

    names = ("task", "data", "train_examples", "validation_fraction", "train_on")
    key = tuple(getattr(experiment, name) for name in names)
    if key not in known:
        data = load_arrays_of(experiment)
        outputs = [len(split.labels) for split in (data.train, data.validation, data.test)]
        known[key] = (len(data.train), outputs[1], sum(outputs))
    return known[key]


def _measure(experiment: Experiment, sizes: tuple[int, int, int], keep_checkpoint: bool) -> _Cost:
    import keras

    from kact import train

    trained_on, validated, scored = sizes
    few = min(trained_on, experiment.batch_size * _STEPS)
    # The validation split is cut before the examples are counted, so it is as large here as in the study.
    tried = experiment.replace(epochs=2, train_examples=few, patience=None, stop_below=None)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = train.run(tried, out=folder)
        whole = time.perf_counter() - began
        kept = [file for file in run.path.iterdir() if keep_checkpoint or file.name != "checkpoint.npz"]
        size = sum(file.stat().st_size for file in kept)
    keras.utils.clear_session()
    timing = run.metrics["timing"]
    output_seconds = (timing["inference_seconds_for_10000"] or 0.0) / 10_000
    step_seconds = timing["epoch_seconds"][-1] / math.ceil(few / experiment.batch_size)
    epoch_seconds = step_seconds * math.ceil(trained_on / experiment.batch_size) + validated * output_seconds
    once = max(whole - timing["train_seconds"] - 3 * validated * output_seconds, 0.0)  # loading, building, saving
    return _Cost(epoch_seconds, once + scored * output_seconds, size)
