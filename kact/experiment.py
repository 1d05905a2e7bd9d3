"""Experiment: one frozen, validated, hashable description of a run.

>>> experiment = Experiment(task="cifar", model="lenet", activation="swish", learning_rate=0.05)
>>> experiment.task, experiment.activation, experiment.hash[:8] == Experiment.from_toml(experiment.to_toml()).hash[:8]
('cifar10', 'silu', True)
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kact import activations, optimizers, tasks
from kact.backend import PRECISIONS
from kact.errors import KactError
from kact.losses import LOSSES
from kact.models import MLP, MODELS, Model, habitual_batch_norm, initializers, make_model
from kact.settings import check_settings, known_settings, setting
from kact.storage.seals import check_toml
from kact.tasks.augmentation import parse_augmentations
from kact.tasks.split import TRAINED_ON

LARGEST_SEED = 2**31 - 1

# Settings that came later: said only where they differ, so that the hashes of before them still hold.
_LATER = {"freeze": False, "train_on": "train", "deterministic": False}
_LABELLED = re.compile(r"-[0-9a-f]{8}-seed[0-9]+$")  # the end of a run's directory


@dataclass(frozen=True)
class Experiment:
    """What is trained, on what, and how. Two equal experiments give the same run on the same machine.

    Every field is checked and brought to its one spelling when the experiment is built: aliases resolved, the task's
    default model and the optimizer's default learning rate filled in.

    Raises:
        KactError: for the first field that is unusable, with the choices and the nearest match.
    """

    task: str = setting("digits", "data set; `kact list tasks` shows them")
    data: str | None = setting(None, "folder or file of one's own data, for tasks that take one")
    model: Model = setting(None, "network; `kact list models` shows them; the task's own unless said")
    backbone: str | None = setting(
        None,
        "layers to start from: alexnet-imagenet, alexnet-random, a run's directory, or a name of keras.applications",
    )
    freeze: bool = setting(False, "leave the backbone as it is and train only what is new on top of it")
    activation: str = setting("relu", "hidden non-linearity, e.g. mish or leaky_relu(negative_slope=0.1)")
    initializer: str = setting(
        "auto", "initial weights; auto fits them to the activation", choices=initializers.SCHEMES
    )
    batch_norm: bool = setting(None, "normalise each hidden layer over the batch; as the model does unless said")
    dropout: float = setting(0.0, "share of hidden units set to zero in training", at_least=0, below=1)
    l2: float = setting(0.0, "penalty l2/2 x sum of squared weights: PyTorch's weight_decay", at_least=0)
    loss: str = setting("cross_entropy", "what is minimised", choices=LOSSES)
    optimizer: str = setting("adam", "e.g. sgd, nesterov or adam(beta_1=0.89)")
    learning_rate: float = setting(None, "step size; the optimizer's own default unless said", above=0)
    schedule: str = setting("constant", "learning rate over time, e.g. cosine(warmup_epochs=1) or one_cycle")
    batch_size: int = setting(64, "examples a step, or all where there are fewer", at_least=1)
    epochs: int = setting(20, "passes over the training set, at most", at_least=1)
    augment: tuple[str, ...] = setting((), "changes to training images, e.g. flip or shift(pixels=4)")
    validation_fraction: float = setting(
        0.1, "share of train kept for validation, the same whatever the seed", above=0, at_most=0.5
    )
    train_examples: int | None = setting(None, "train on so many examples only; all unless said", at_least=1)
    train_on: str = setting(
        "train", "examples to learn from; with validation's, once all is chosen: --keep last", choices=TRAINED_ON
    )
    monitor: str = setting("accuracy", "validation score that picks the best epoch", choices=("accuracy", "loss"))
    keep: str = setting("best", "the weights that are kept and scored", choices=("best", "last"))
    patience: int | None = setting(None, "stop after so many epochs without a better score", at_least=1)
    stop_below: float | None = setting(None, "stop when the training loss falls below this", above=0)
    test_curve: bool = setting(False, "score test after every epoch as well, to look at; nothing selects by it")
    precision: str = setting("float32", "of the arithmetic", choices=PRECISIONS)
    deterministic: bool = setting(False, "the same bits each time on a GPU too, at the cost of speed")
    seed: int = setting(0, "of initial weights, shuffling, dropout and augmentation", at_least=0, at_most=LARGEST_SEED)

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        fix("task", tasks.canonical_task(self.task, self.data))
        task = tasks.get_record(self.task)
        named = default_model(self.task, self.backbone) if self.model is None else self.model
        fix("model", make_model(named))
        if self.batch_norm is None:
            fix("batch_norm", habitual_batch_norm(named))
        if self.model.input != task.input:
            fitting = [name for name, kind in MODELS.items() if kind.input == task.input]
            raise KactError.parameter("model", self.model.name, f"one for the task {task.name!r}", choices=fitting)
        fix("optimizer", optimizers.canonical_optimizer(self.optimizer))
        if self.learning_rate is None:
            fix("learning_rate", optimizers.default_learning_rate(self.optimizer))
        fix("activation", activations.canonical_spec(self.activation))
        fix("schedule", optimizers.canonical_schedule(self.schedule))
        check_settings(self)
        self._check_selection()
        fix("augment", parse_augmentations(self.augment))
        if self.augment and task.input != "image":
            raise KactError(
                f"The 'augment' parameter changes images, and the task {task.name!r} has {task.input}.",
                "Leave it out.",
            )
        if self.freeze and self.backbone is None:
            raise KactError("The 'freeze' parameter needs a backbone to freeze.", "Give one with --backbone.")

    def _check_selection(self) -> None:
        """Raise if something would be chosen by a validation split that is trained on."""
        if self.train_on == "train":
            return
        if self.keep != "last" or self.patience is not None:
            name, wanted = ("keep", "'last'") if self.keep != "last" else ("patience", "None")
            raise KactError(
                f"With train_on={self.train_on!r} nothing is left to choose by: {name!r} must be {wanted}. "
                f"Got {getattr(self, name)!r} instead.",
                "Choose epochs and settings with train_on='train' first, and keep the last epoch of this run.",
            )

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the seed: the same on every machine and version of Python."""
        return _hash(self.to_dict())

    @property
    def label(self) -> str:
        """A short name for files and tables: task, model, activation, hash and seed."""
        task, model, activation = (
            re.sub(r"[^\w.=-]+", "-", name.replace("'", "")).strip("-")
            for name in (self.task, self.model.name, self.activation)
        )
        return f"{task}-{model}-{activation}-{self.hash[:8]}-seed{self.seed}"

    def replace(self, **changes: Any) -> Experiment:
        """Return a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without those that are None; the model as a table of its name and sizes."""
        plain: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Model):
                plain[field.name] = value.to_dict()
            elif value is not None and (field.name not in _LATER or value != _LATER[field.name]):
                plain[field.name] = list(value) if isinstance(value, tuple) else value
        return plain

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Experiment:
        """Return the experiment for plain values, as from TOML or JSON; what is left out takes its default.

        Raises:
            KactError: for an unknown key or an unusable value.
        """
        known_settings(cls, given, "experiment")
        return cls(**given)

    def to_toml(self) -> str:
        """Return the experiment as TOML."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str, where: str = "the TOML text") -> Experiment:
        """Return the experiment that `to_toml` wrote, or that was written by hand.

        Args:
            text: TOML.
            where: what it was read from, named in errors.
        """
        try:
            given = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise KactError(f"{where} is not valid TOML: {error}.", "Mend that line, or write the file anew.") from None
        if {"grid", "zip"} & set(given):
            raise KactError(f"{where} is a study, not one experiment.", "Give it to: kact study run")
        return cls.from_dict(given)

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """Return the experiment in a TOML file.

        Raises:
            KactError: if the file cannot be read, is not TOML, or describes no usable experiment.
        """
        path = Path(path)
        label = _LABELLED.search(path.absolute().parent.name) if path.name == "experiment.toml" else None
        try:
            made = cls._read(path)
        except KactError as error:  # said in its own words where it is what the run wrote, or was written by hand
            if label is None or not path.is_file() or _as_labelled(path, label[0]):
                raise
            raise _damaged(path) from error
        if label is not None and label[0] != f"-{made.hash[:8]}-seed{made.seed}":
            raise _damaged(path)
        return made

    @classmethod
    def _read(cls, path: Path) -> Experiment:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise KactError(f"Cannot read the experiment '{path}': {reason}.", "Give a TOML file.") from error
        try:
            check_toml(text)
        except ValueError as error:
            raise KactError(
                f"'{path}' is damaged: {error}.",
                "If you changed it on purpose, delete its last line; else make it anew.",
                kind="damaged",
            ) from None
        return cls.from_toml(text, f"'{path}'")


def _as_labelled(path: Path, label: str) -> bool:
    """Return whether the experiment in a run's directory is the one that its name tells of, usable here or not."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        return label == f"-{_hash(given)[:8]}-seed{given.get('seed')}"
    except OSError:  # nothing is known of it
        return True
    except (ValueError, RecursionError):
        return False


def _hash(given: Mapping[str, Any]) -> str:
    described = {key: value for key, value in given.items() if key != "seed"}
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def _damaged(path: Path) -> KactError:
    return KactError(
        f"'{path}' is damaged: it does not hold the experiment that its directory is named after.",
        "Delete it and give the run's training command again; a changed experiment belongs elsewhere.",
        kind="damaged",
    )


def default_model(task: str, backbone: str | None) -> Model:
    """Return the model where none is named: the task's own, or on top of a backbone nothing but the logits.

    Example:
        >>> default_model("cifar10", None).name, default_model("cifar10", "alexnet-imagenet").to_dict()
        ('lenet', {'name': 'mlp', 'hidden_units': []})
    """
    return make_model(tasks.get_record(task).default_model) if backbone is None else MLP(hidden_units=())
