"""Which experiments can train at once, and which should.

What `auto` does was measured with `python -m benchmarks.many` (benchmarks/results/cpu.md): on a CPU stacked dense
layers train faster, up to four times for small ones and no faster for large ones, and stacked convolutions slower than
one run after another; on CUDA, where nobody has measured, everything that can is stacked.

>>> from kact.experiment import Experiment
>>> mlp = Experiment(model="mlp")
>>> [len(group) for group in groups([mlp, mlp.replace(seed=1), mlp.replace(activation="tanh")])]
[2, 1]
"""

from __future__ import annotations

from collections.abc import Sequence

from kact import backend, tasks
from kact.experiment import Experiment
from kact.models import MLP

TOGETHER = ("auto", "yes", "no")

# Largest weight of all members, in bytes: the C library hands greater blocks back after each step and clears them anew.
_LARGEST_BYTES = 32 * 2**20
_MOST_MEMBERS = 64
_LARGEST_THAT_PAYS = 100_000  # elements of the largest weight; benchmarks/many.py measures 2,000 and 200,000


def why_alone(experiment: Experiment) -> str | None:
    """Return why an experiment can only train by itself, or None.

    Example:
        >>> why_alone(Experiment(precision="bfloat16"))
        'its precision is bfloat16'
    """
    if experiment.precision not in ("float32", "tf32"):
        return f"its precision is {experiment.precision}"
    if experiment.backbone is not None:
        return "it starts from a backbone"
    if tasks.get_record(experiment.task).input != "image":
        return "sentences come in too many lengths"
    if backend.name() != "torch":
        return f"runs train together on the torch backend only, and this is {backend.name()}"
    return None


def why_slower(experiment: Experiment, device: str) -> str | None:
    """Return why an experiment that could train together with others is faster by itself on a device, or None.

    Args:
        experiment: one of several that differ in numbers only.
        device: in words, as `kact.backend.run_settings` gives it.

    Example:
        >>> why_slower(Experiment(model="lenet", task="cifar10"), "cpu")
        'convolutions of many members are slower on a CPU'
    """
    if device == "cpu" and type(experiment.model) is not MLP:
        return "convolutions of many members are slower on a CPU"
    return None


def why_too_large(largest_weight: int, device: str) -> str | None:
    """Return why a network that could train together with others is faster by itself on a device, or None.

    Args:
        largest_weight: elements of the network's largest weight.
        device: in words, as `kact.backend.run_settings` gives it.

    Example:
        >>> why_too_large(64 * 32, "cpu")
        >>> why_too_large(784 * 256, "cpu")
        'stacks of weights as large as theirs are no faster on a CPU'
    """
    if device == "cpu" and largest_weight > _LARGEST_THAT_PAYS:
        return "stacks of weights as large as theirs are no faster on a CPU"
    return None


def groups(experiments: Sequence[Experiment]) -> list[list[Experiment]]:
    """Return the experiments in groups of one program each: alike but for numbers that a program takes as they come.

    These are the seed, the learning rate and the L2 penalty, and whatever only says when a run stops and what it keeps.
    """
    found: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        alike = experiment.replace(
            learning_rate=1.0, l2=0.0, monitor="accuracy", keep="last", patience=None, stop_below=None, test_curve=False
        )
        if experiment.schedule == "constant":
            alike = alike.replace(epochs=1)
        found.setdefault(alike.hash, []).append(experiment)
    return list(found.values())


def packs(members: int, largest_weight: int) -> list[int]:
    """Return how many members train in one program each, one program after another.

    Args:
        members: of the group.
        largest_weight: elements of the network's largest weight.

    Example:
        >>> packs(16, largest_weight=3072 * 256), packs(16, largest_weight=64 * 32)
        ([8, 8], [16])
    """
    most = max(1, min(_MOST_MEMBERS, _LARGEST_BYTES // (4 * largest_weight)))
    number = -(-members // most)
    return [members // number + (index < members % number) for index in range(number)]
