"""The tasks: one file a data set, each a frozen record that says what the data is and how it is read.

Importing this reads nothing and needs neither Keras nor TFDS; `load_task` does the work. A task may take options in
parentheses after its name, such as `hymenoptera(image_size=64)`.

>>> get_task("cifar").input_shape
(32, 32, 3)
"""

from __future__ import annotations

from kact.errors import KactError
from kact.spec import Spec, bind, canonical, choose, parse_spec
from kact.tasks.cifar10 import CIFAR10
from kact.tasks.digits import DIGITS
from kact.tasks.hymenoptera import HYMENOPTERA
from kact.tasks.image_folder import IMAGE_FOLDER
from kact.tasks.load import load_data, load_task
from kact.tasks.mnist import MNIST
from kact.tasks.stl10 import STL10
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
    "canonical_task",
    "get_record",
    "get_task",
    "load_data",
    "load_task",
]

TASKS: dict[str, Task | TaggingTask] = {
    task.name: task for task in (DIGITS, MNIST, CIFAR10, STL10, HYMENOPTERA, IMAGE_FOLDER, TWITTER_POS, TAGGED_FILE)
}

ALIASES: dict[str, str] = {"cifar": "cifar10", "tweets": "twitter_pos"}


def get_record(text: str) -> Task | TaggingTask:
    """Return the record of a task as it is listed, whatever options are said with its name; reads nothing.

    Raises:
        KactError: for an unknown name, with the choices and the nearest match.

    Example:
        >>> get_record("hymenoptera(image_size=64)").input_shape
        (224, 224, 3)
    """
    return TASKS[_spec(text).name]


def canonical_task(text: str, data: str | None = None) -> str:
    """Return the one spelling of a task's name and options, after a check of them and of `data`; reads nothing.

    Raises:
        KactError: for an unknown name or option, a value out of range, or data that is missing or not wanted.

    Example:
        >>> canonical_task("cifar"), canonical_task("hymenoptera( image_size = 224 )")
        ('cifar10', 'hymenoptera')
    """
    spec = _spec(text)
    record = TASKS[spec.name]
    options = bind(spec, record.parameters, "task")
    if record.check_options is not None:
        record.check_options(options)
    if record.needs_data and data is None:
        raise KactError(f"The task {record.name!r} is of data of your own.", "Say where it is: --data PATH.")
    if data is not None and not record.needs_data:
        own = [name for name, task in TASKS.items() if task.needs_data]
        raise KactError(
            f"The task {record.name!r} has its own data and takes no 'data'. Got {data!r} instead.",
            f"For data of your own choose the task {' or '.join(own)}.",
        )
    return str(canonical(spec, record.parameters, "task"))


def get_task(text: str, data: str | None = None) -> Task | TaggingTask:
    """Return the record of a task with its options; for one of the user's own data, as found there.

    Args:
        text: the task's name or alias, with options in parentheses where it has any.
        data: where the user's own data is, for a task that takes it.

    Raises:
        KactError: as `canonical_task`, or for data that cannot be used.

    Example:
        >>> get_task("mnist").default_model, get_task("hymenoptera(image_size=64)").input_shape
        ('cnn', (64, 64, 3))
    """
    spec = parse_spec(canonical_task(text, data), "task")
    record = TASKS[spec.name]
    return record.resolve(bind(spec, record.parameters, "task"), data) if record.resolve else record


def _spec(text: str) -> Spec:
    plain = isinstance(text, str) and "(" not in text  # a mistyped name is told its nearest, not the grammar
    spec = Spec(text) if plain else parse_spec(text, "task")
    return Spec(choose(spec.name, TASKS, ALIASES, "task"), spec.options)
