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
from kact.tasks.tagged_file import TAGGED_FILE
from kact.tasks.tagging import TaggedData, TaggingTask
from kact.tasks.task import Split, Task, TaskData
from kact.tasks.twitter_pos import TWITTER_POS

__all__ = [
    "ALIASES",
    "TASKS",
    "Split",
    "TaggedData",
    "TaggingTask",
    "Task",
    "TaskData",
    "get_task",
    "load_data",
    "load_task",
]

TASKS: dict[str, Task | TaggingTask] = {task.name: task for task in (DIGITS, MNIST, CIFAR10, TWITTER_POS, TAGGED_FILE)}

ALIASES: dict[str, str] = {"cifar": "cifar10", "tweets": "twitter_pos"}


def get_task(name: str) -> Task | TaggingTask:
    """Return the record of the task called `name`, or of its alias.

    Raises:
        KactError: for an unknown name, with the choices and the nearest match.

    Example:
        >>> get_task("mnist").default_model
        'cnn'
    """
    return TASKS[choose(name, TASKS, ALIASES, "task")]
