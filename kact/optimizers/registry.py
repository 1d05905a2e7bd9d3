"""The optimizers and learning-rate schedules by name, all their parameters by Keras' names.

>>> canonical_optimizer("adam( beta_1 = 0.89 )"), canonical_optimizer("nesterov")
('adam(beta_1=0.89)', 'sgd(momentum=0.9, nesterov=True)')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kact.errors import KactError
from kact.spec import Literal, Spec, bind, canonical, choose, parse_spec

if TYPE_CHECKING:
    import keras

_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_COMMON: dict[str, Literal] = {
    **dict.fromkeys(_CLIPPING),
    "use_ema": False,
    "ema_momentum": 0.99,
}
_SHARES = ("momentum", "beta_1", "beta_2", "rho", "ema_momentum")  # in [0, 1)


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        keras_name: the class of `keras.optimizers`.
        learning_rate: used when an experiment gives none.
        parameters: every parameter and its default.
        source: the paper.
    """

    keras_name: str
    learning_rate: float
    parameters: Mapping[str, Literal]
    source: str


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer("SGD", 0.05, {"momentum": 0.0, "nesterov": False}, "Robbins & Monro 1951; Sutskever et al. 2013"),
    "adam": Optimizer(
        "Adam",
        1e-3,
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "amsgrad": False},
        "Kingma & Ba 2015, https://arxiv.org/abs/1412.6980",
    ),
    "adamw": Optimizer(
        "AdamW",
        1e-3,
        {"weight_decay": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "amsgrad": False},
        "Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101",
    ),
    "rmsprop": Optimizer(
        "RMSprop", 1e-3, {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False}, "Hinton 2012, lecture 6e"
    ),
    "adadelta": Optimizer(
        "Adadelta", 1.0, {"rho": 0.9, "epsilon": 1e-6}, "Zeiler 2012, https://arxiv.org/abs/1212.5701"
    ),
    "adagrad": Optimizer("Adagrad", 0.01, {"initial_accumulator_value": 0.1, "epsilon": 1e-7}, "Duchi et al. 2011"),
    "lion": Optimizer(
        "Lion",
        1e-4,
        {"weight_decay": 0.0, "beta_1": 0.9, "beta_2": 0.99},
        "Chen et al. 2023, https://arxiv.org/abs/2302.06675",
    ),
}
SHORTHANDS = {
    "momentum": Spec("sgd", (("momentum", 0.9),)),
    "nesterov": Spec("sgd", (("momentum", 0.9), ("nesterov", True))),
}
SCHEDULES: dict[str, dict[str, Literal]] = {
    "constant": {"warmup_epochs": 0.0},
    "cosine": {"warmup_epochs": 0.0, "final": 0.0},
    "one_cycle": {"warmup": 0.3, "initial": 0.04, "final": 4e-6},
}


def canonical_optimizer(text: str) -> str:
    """Return the one spelling of an optimizer spec.

    Raises:
        KactError: for an unknown optimizer, or a parameter that it does not have or that is out of range.
    """
    spec, parameters = _resolve(text)
    clipped = [key for key, value in spec.options if key in _CLIPPING and value is not None]
    if len(clipped) > 1:
        raise KactError(f"The optimizer {spec.name!r} clips gradients in one way: {' or '.join(clipped)}.", "Take one.")
    for key, value in bind(spec, parameters, "optimizer").items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and key in _SHARES and not 0 <= value < 1:  # type: ignore[operator]
            raise KactError.parameter(f"optimizer {spec.name}: {key}", value, "a number at least 0 and below 1")
        if number and value < 0:  # type: ignore[operator]
            raise KactError.parameter(f"optimizer {spec.name}: {key}", value, "a number at least 0")
    return str(canonical(spec, parameters, "optimizer"))


def default_learning_rate(text: str) -> float:
    """Return the learning rate that an optimizer starts from when none is given."""
    return OPTIMIZERS[_resolve(text)[0].name].learning_rate


def make_optimizer(text: str, learning_rate: Any) -> keras.Optimizer:
    """Return the Keras optimizer for a spec.

    Args:
        text: such as `sgd(momentum=0.9, nesterov=True)`.
        learning_rate: a number or a `keras.optimizers.schedules.LearningRateSchedule`.
    """
    import keras

    spec, parameters = _resolve(text)
    kind = getattr(keras.optimizers, OPTIMIZERS[spec.name].keras_name)
    return kind(learning_rate=learning_rate, **bind(spec, parameters, "optimizer"))


def canonical_schedule(text: str) -> str:
    """Return the one spelling of a learning-rate schedule spec.

    Example:
        >>> canonical_schedule("cosine(warmup_epochs=1)")
        'cosine(warmup_epochs=1.0)'
    """
    spec = parse_spec(text, "schedule")
    choose(spec.name, SCHEDULES, {}, "schedule")
    bound = bind(spec, SCHEDULES[spec.name], "schedule")
    for key, value in bound.items():
        most = 1.0 if key != "warmup_epochs" else float("inf")
        if not 0 <= value <= most:  # type: ignore[operator]
            raise KactError.parameter(
                f"schedule {spec.name}: {key}", value, "a number at least 0" + (" and at most 1" if most == 1 else "")
            )
    return str(canonical(spec, SCHEDULES[spec.name], "schedule"))


def make_schedule(text: str, learning_rate: float, epochs: int, steps_per_epoch: int) -> Any:
    """Return what a Keras optimizer takes as its learning rate: a number, or a schedule over all steps of the run.

    Args:
        text: a schedule spec: `constant`, `cosine` or `one_cycle`, with their parameters.
        learning_rate: the highest that the schedule reaches.
        epochs: of the whole run.
        steps_per_epoch: batches an epoch.
    """
    from kact.optimizers.schedules import LearningRate

    spec = parse_spec(text, "schedule")
    options: dict[str, Any] = bind(spec, SCHEDULES[spec.name], "schedule")
    total = epochs * steps_per_epoch
    if spec.name == "one_cycle":
        return LearningRate(
            learning_rate, total, options["warmup"] * total, "cosine", options["initial"], options["final"]
        )
    warmup = options["warmup_epochs"] * steps_per_epoch
    if spec.name == "constant":
        return LearningRate(learning_rate, total, warmup, "constant") if warmup else learning_rate
    return LearningRate(learning_rate, total, warmup, "cosine", final=options["final"])


def _resolve(text: str) -> tuple[Spec, Mapping[str, Literal]]:
    spec = parse_spec(text, "optimizer")
    if spec.name in SHORTHANDS:
        short = SHORTHANDS[spec.name]
        spec = Spec(short.name, tuple({**dict(short.options), **dict(spec.options)}.items()))
    choose(spec.name, OPTIMIZERS, {}, "optimizer")
    return spec, {**OPTIMIZERS[spec.name].parameters, **_COMMON}
