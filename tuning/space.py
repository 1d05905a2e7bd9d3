"""Search spaces as data: which hyper-parameters are searched, and between which values.

>>> from kact import Experiment
>>> space = make_space(["learning_rate", "l2", "dropout"], Experiment())
>>> space.entries["learning_rate"]
Range(low=0.0001, high=0.01, scale='log', zero=0.0, points=3)
>>> space.entries["l2"].decode(1e-9), space.entries["l2"].decode(0.000123456)
(0.0, 0.0001235)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kact.activations import canonical_spec
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import Model
from kact.optimizers import canonical_optimizer, default_learning_rate
from kact.spec import choose, is_finite
from tuning.values import MOST_POINTS, SCALES, Choice, Range, rounded

if TYPE_CHECKING:
    import keras_tuner

WIDTHS = ("filters", "hidden_units", "lstm_units")  # the sizes of a model that `width` multiplies


@dataclass(frozen=True)
class HyperParameter:
    """What may be searched.

    Attributes:
        summary: one line for lists, with the range where none is given.
        usual: that range, for the experiment that a search starts from.
        check: whether one value will do; None takes any number in the bounds.
        expected: what a value must be, in words that read after "values that are".
    """

    summary: str
    usual: Callable[[Experiment], Range | Choice]
    check: Callable[[Any], bool]
    expected: str


def _number(value: Any) -> bool:
    """Return whether a value is a number that a float can be."""
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def _parsed(parse: Callable[[str], str]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        parse(value)  # raises, with the choices and the nearest match
        return True

    return check


HYPERPARAMETERS: dict[str, HyperParameter] = {
    "learning_rate": HyperParameter(
        "step size; log-uniform from a tenth to ten times the experiment's own",
        lambda base: Range(rounded(base.learning_rate / 10), rounded(base.learning_rate * 10), "log"),
        lambda value: _number(value) and value > 0,
        "above 0",
    ),
    "learning_rate_factor": HyperParameter(
        "multiplies the optimizer's own default learning rate; log-uniform from 0.1 to 10 (with `optimizer`)",
        lambda base: Range(0.1, 10.0, "log"),
        lambda value: _number(value) and value > 0,
        "above 0",
    ),
    "l2": HyperParameter(
        "penalty on weights; a quarter of the draws 0, the others log-uniform from 1e-6 to 1e-3",
        lambda base: Range(1e-6, 1e-3, "log", zero=0.25),
        lambda value: _number(value) and value >= 0,
        "at least 0",
    ),
    "dropout": HyperParameter(
        "share of hidden units set to zero in training; a quarter of the draws 0, the others uniform up to 0.5",
        lambda base: Range(0.0, 0.5, zero=0.25),
        lambda value: _number(value) and 0 <= value < 1,
        "at least 0 and below 1",
    ),
    "activation": HyperParameter(
        "hidden non-linearity; relu, leaky_relu, elu, gelu, silu, mish or tanh",
        lambda base: Choice(("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "tanh")),
        _parsed(canonical_spec),
        "activations",
    ),
    "batch_norm": HyperParameter(
        "normalise each hidden layer over the batch; false or true",
        lambda base: Choice((False, True)),
        lambda value: isinstance(value, bool),
        "true or false",
    ),
    "width": HyperParameter(
        "multiplies the units and maps of the hidden layers; 0.5, 1 or 2",
        lambda base: Choice((0.5, 1.0, 2.0)),
        lambda value: _number(value) and value > 0,
        "above 0",
    ),
    "batch_size": HyperParameter(
        "examples a step; 16, 32, 64, 128 or 256",
        lambda base: Choice((16, 32, 64, 128, 256)),
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 1,
        "whole numbers, at least 1",
    ),
    "optimizer": HyperParameter(
        "sgd, nesterov, adam, adamw or rmsprop, each from its own default learning rate",
        lambda base: Choice(("sgd", "nesterov", "adam", "adamw", "rmsprop")),
        _parsed(canonical_optimizer),
        "optimizers",
    ),
}
DEFAULT_SEARCH = ("learning_rate", "l2", "dropout")


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        entries: hyper-parameter name to its values.
    """

    entries: Mapping[str, Range | Choice]

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of each hyper-parameter that a draw of KerasTuner stands for."""
        return {name: entry.decode(drawn[name]) for name, entry in self.entries.items()}

    def draw_of(self, experiment: Experiment) -> dict[str, Any] | None:
        """Return the draw that stands for an experiment's own settings, or None where they are not in the space."""
        own = {
            "width": 1.0,
            "learning_rate_factor": experiment.learning_rate / default_learning_rate(experiment.optimizer),
        }
        wanted = {name: own[name] if name in own else getattr(experiment, name) for name in self.entries}
        drawn = {name: entry.encode(wanted[name]) for name, entry in self.entries.items()}
        return drawn if self.settings(drawn) == wanted else None

    def declare(self) -> keras_tuner.HyperParameters:
        """Return the space as KerasTuner wants it."""
        import keras_tuner

        declared = keras_tuner.HyperParameters()
        for name, entry in self.entries.items():
            entry.declare(name, declared)
        return declared

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain values, as a space file has them."""
        return {
            name: {key: list(value) if isinstance(value, tuple) else value for key, value in vars(entry).items()}
            for name, entry in self.entries.items()
        }


def make_space(names: Iterable[str], base: Experiment, ranges: Mapping[str, Any] | None = None) -> Space:
    """Return the space of some hyper-parameters, checked.

    Args:
        names: of `HYPERPARAMETERS`. The learning rate is searched by its factor wherever the optimizer is searched too.
        base: the experiment that is tuned.
        ranges: name to a table of `low`, `high`, `scale`, `zero` and `points`, or of `values`; the usual ones unless
            said. A name that is only here is searched too.

    Raises:
        KactError: for an unknown name, a range upside down or out of bounds, or a value that will not do.

    Example:
        >>> make_space(["dropout"], Experiment(), {"dropout": {"low": 0.4, "high": 0.1}})
        Traceback (most recent call last):
        kact.errors.KactError: The range of 'dropout' is upside down: it goes from 0.4 to 0.1.
        Give the lower end as `low`.
    """
    ranges = dict(ranges or {})
    wanted = [choose(name, HYPERPARAMETERS, {}, "hyper-parameter") for name in dict.fromkeys([*names, *ranges])]
    if not wanted:
        raise KactError("There is nothing to search.", f"Name at least one of: {', '.join(HYPERPARAMETERS)}.")
    if "optimizer" in wanted and "learning_rate" in wanted and "learning_rate" not in ranges:
        wanted[wanted.index("learning_rate")] = "learning_rate_factor"
    if "learning_rate" in wanted and "learning_rate_factor" in wanted:
        raise KactError("Both 'learning_rate' and 'learning_rate_factor' are searched, and one sets the other.")
    entries = {name: _entry(name, ranges.get(name), base) for name in dict.fromkeys(wanted)}
    if "width" in entries:
        widened(base.model, 1.0)  # complains of a model that has no widths
    return Space(entries)


def applied(base: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """Return an experiment with the settings of a trial.

    Args:
        base: what is tuned.
        settings: of `Space.settings`.

    Raises:
        KactError: if they do not go together, or with the task.

    Example:
        >>> applied(Experiment(), {"width": 0.5, "optimizer": "sgd", "learning_rate_factor": 2.0}).learning_rate
        0.1
    """
    changes = dict(settings)
    factor, width = changes.pop("learning_rate_factor", None), changes.pop("width", None)
    if "optimizer" in changes and "learning_rate" not in changes:
        changes["learning_rate"] = None  # its own default
    if width is not None:
        changes["model"] = widened(base.model, width)
    experiment = base.replace(**changes)
    if factor is None:
        return experiment
    return experiment.replace(learning_rate=rounded(default_learning_rate(experiment.optimizer) * factor))


def widened(model: Model, width: float) -> Model:
    """Return a model with the units and maps of its hidden layers multiplied, each at least 1.

    Raises:
        KactError: if the model has no such sizes.
    """

    def scaled(size: int) -> int:
        return max(1, round(size * width))

    sizes = {name: getattr(model, name) for name in WIDTHS if hasattr(model, name)}
    if not sizes:
        raise KactError(f"The model {model.name!r} has no widths.", "Leave 'width' out, or choose cnn or mlp.")
    changed = {
        name: tuple(map(scaled, size)) if isinstance(size, tuple) else scaled(size) for name, size in sizes.items()
    }
    return dataclasses.replace(model, **changed)


def _entry(name: str, given: Any, base: Experiment) -> Range | Choice:
    about = HYPERPARAMETERS[name]
    usual = about.usual(base)
    if given is None or given == {}:
        return usual
    if not isinstance(given, Mapping):
        raise KactError.parameter(name, given, "a table of `low` and `high`, or of `values`")
    known = ["values", *(field.name for field in dataclasses.fields(Range))]
    for key in given:
        if key not in known:
            raise KactError.parameter(name, key, "given a table of", choices=known)
    if "values" in given:
        return _choice(name, given["values"], about)
    if isinstance(usual, Choice) and not usual.ordered:
        raise KactError(f"The hyper-parameter {name!r} takes names, not a range.", f"Give {name} a list of `values`.")
    if isinstance(usual, Choice) and name != "width":
        raise KactError(f"The hyper-parameter {name!r} takes `values`, not a range.", "List them.")
    start = dataclasses.asdict(usual) if isinstance(usual, Range) else {"low": 0.5, "high": 2.0}
    return _range(name, Range(**{**start, **given}), about)


def _choice(name: str, values: Any, about: HyperParameter) -> Choice:
    if not isinstance(values, list | tuple) or not values:
        raise KactError.parameter(name, values, "a list of at least one value")
    for value in values:
        if not about.check(value):
            raise KactError.parameter(name, value, f"a list of values that are {about.expected}")
    if len({str(value) for value in values}) < len(values):
        raise KactError(f"The values of {name!r} name one twice: {list(values)}.")
    return Choice(tuple(values))


def _range(name: str, given: Range, about: HyperParameter) -> Range:
    for key, value in vars(given).items():
        if key != "scale" and not _number(value):
            raise KactError.parameter(f"{name}: {key}", value, "a number")
    if given.low > given.high:
        raise KactError(
            f"The range of {name!r} is upside down: it goes from {given.low:g} to {given.high:g}.",
            "Give the lower end as `low`.",
        )
    for value in (given.low, given.high):
        if not about.check(value):
            raise KactError.parameter(name, value, f"a range of values that are {about.expected}")
    choose(given.scale, SCALES, {}, f"{name}: scale")
    if given.low == given.high:
        raise KactError(f"The range of {name!r} is one value, {given.low:g}.", "Set it in the experiment instead.")
    if given.scale == "log" and given.low <= 0:
        raise KactError(
            f"The range of {name!r} begins at {given.low:g}, which a log scale never reaches.",
            "Begin above 0, and let `zero` be the share of the draws that are 0.",
        )
    if not 0 <= given.zero < 1:
        raise KactError.parameter(f"{name}: zero", given.zero, "a share of the draws, at least 0 and below 1")
    if given.zero and not about.check(0.0):
        raise KactError(f"The hyper-parameter {name!r} cannot be 0.", "Leave `zero` out.")
    if not isinstance(given.points, int) or not 1 <= given.points <= MOST_POINTS:
        raise KactError.parameter(f"{name}: points", given.points, f"a whole number from 1 to {MOST_POINTS}")
    return dataclasses.replace(given, low=float(given.low), high=float(given.high), zero=float(given.zero))
