"""The tasks: one file a data set, each a frozen record that says what the data is and how it is read.

Importing this reads nothing and needs neither Keras nor TFDS; `load_task` does the work.

>>> get_task("cifar").input_shape
(32, 32, 3)
"""

from __future__ import annotations

from kact.spec import choose
from kact.tasks.cifar10 import CIFAR10
from kact.tasks.digits import DIGITS
from kact.tasks.load import load_data, load_task
from kact.tasks.mnist import MNIST
from kact.tasks.task import Split, Task, TaskData

__all__ = ["ALIASES", "TASKS", "Split", "Task", "TaskData", "get_task", "load_data", "load_task"]

TASKS: dict[str, Task] = {task.name: task for task in (DIGITS, MNIST, CIFAR10)}

ALIASES: dict[str, str] = {"cifar": "cifar10"}


def get_task(name: str) -> Task:
    """Return the record of the task called `name`, or of its alias.

    Raises:
        KactError: for an unknown name, with the choices and the nearest match.

    Example:
        >>> get_task("mnist").default_model
        'cnn'
    """
    return TASKS[choose(name, TASKS, ALIASES, "task")]
