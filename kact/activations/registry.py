"""The table of activation functions: what each computes, whose it is, what it takes, which initial weights suit it.

A spec is `name` or, for one's own, `package.module:function`, either with `(key=number, ...)`. Reading the table or
checking a spec imports no deep-learning library; only `make` does. The code in `keras.ops` is in
`kact.activations.functions`.

>>> canonical_spec("swish"), canonical_spec("leakyrelu(negative_slope=0.01)"), canonical_spec("elu( alpha=2 )")
('silu', 'leaky_relu', 'elu(alpha=2.0)')
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from kact.activations import own
from kact.errors import KactError
from kact.own_code import way_in
from kact.spec import Spec, bind, canonical, choose, parse_spec

if TYPE_CHECKING:
    import keras

Condition = Callable[[Mapping[str, float]], bool]

HE, GLOROT, LECUN = "he_normal", "glorot_normal", "lecun_normal"


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        name: what it is called in a spec.
        formula: what it computes, with its parameters by name.
        source: who proposed it, and where to read it.
        initializer: the initial weights that suit the layer before it: he_normal where half of the input is cut,
            glorot_normal where the slope is about 1 on both sides of zero (ELU, or units that saturate on both),
            lecun_normal where the paper asks for a variance of 1 / fan-in.
        parameters: each parameter's default.
        conditions: what the parameters must fulfil, as text and as a test.
        trainable: whether it has weights of its own.
    """

    name: str
    formula: str
    source: str
    initializer: str
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    conditions: Mapping[str, Condition] = field(default_factory=dict, hash=False)
    trainable: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "conditions", MappingProxyType(dict(self.conditions)))


def table(*records: Activation) -> dict[str, Activation]:
    """Return the records by name.

    Raises:
        KactError: if two have the same name.

    Example:
        >>> list(table(ACTIVATIONS["relu"], ACTIVATIONS["gelu"]))
        ['relu', 'gelu']
    """
    by_name: dict[str, Activation] = {}
    for record in records:
        if record.name in by_name:
            raise KactError(f"The activation {record.name!r} is there twice.", "Give one of the two another name.")
        by_name[record.name] = record
    return by_name


def _positive(parameter: str) -> dict[str, Condition]:
    return {f"{parameter} > 0": lambda given: given[parameter] > 0}


# Glorot where both sides saturate, LeCun where the paper asks for a variance of 1 / fan-in (selu, snake), else He.
ACTIVATIONS: dict[str, Activation] = table(
    Activation("linear", "x", "the identity: a baseline without non-linearity", GLOROT),
    Activation("sigmoid", "σ(x) = 1 / (1 + e⁻ˣ)", "Rumelhart et al. 1986, https://doi.org/10.1038/323533a0", GLOROT),
    Activation("tanh", "tanh(x)", "LeCun et al. 1998, https://doi.org/10.1007/3-540-49430-8_2", GLOROT),
    Activation("hard_sigmoid", "min(max(x + 3, 0), 6) / 6", "Howard et al. 2019, arXiv:1905.02244", GLOROT),
    Activation("hard_tanh", "min(max(x, -1), 1)", "Collobert 2004, thesis, https://ronan.collobert.com", GLOROT),
    Activation("softsign", "x / (1 + |x|)", "Glorot & Bengio 2010, https://proceedings.mlr.press/v9/glorot10a", GLOROT),
    Activation("softplus", "ln(1 + eˣ)", "Glorot et al. 2011, https://proceedings.mlr.press/v15/glorot11a", HE),
    Activation("relu", "max(0, x)", "Nair & Hinton 2010, https://icml.cc/Conferences/2010/papers/432.pdf", HE),
    Activation(
        "relu6", "min(max(0, x), 6)", "Krizhevsky 2010, https://www.cs.toronto.edu/~kriz/conv-cifar10-aug2010.pdf", HE
    ),
    Activation(
        "leaky_relu",
        "x if x > 0 else negative_slope·x",
        "Maas et al. 2013, https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
        HE,
        {"negative_slope": 0.01},
    ),
    Activation(
        "prelu",
        "x if x > 0 else α·x; α is trained, one a channel, and starts at initial_alpha",
        "He et al. 2015, arXiv:1502.01852",
        HE,
        {"initial_alpha": 0.25},
        trainable=True,
    ),
    Activation(
        "rrelu",
        "x if x > 0 else a·x; a ~ U(lower, upper) in training, (lower + upper) / 2 afterwards",
        "Xu et al. 2015, arXiv:1505.00853; slopes as in PyTorch",
        HE,
        {"lower": 1 / 8, "upper": 1 / 3},
        {"0 ≤ lower ≤ upper ≤ 1": lambda given: 0 <= given["lower"] <= given["upper"] <= 1},
    ),
    Activation(
        "elu",
        "x if x > 0 else alpha·(eˣ - 1)",
        "Clevert et al. 2016, arXiv:1511.07289",
        GLOROT,
        {"alpha": 1.0},
        _positive("alpha"),
    ),
    Activation(
        "celu",
        "x if x > 0 else alpha·(exp(x / alpha) - 1)",
        "Barron 2017, arXiv:1704.07483",
        GLOROT,
        {"alpha": 1.0},
        _positive("alpha"),
    ),
    Activation(
        "selu",
        "λ·x if x > 0 else λ·α·(eˣ - 1); λ = 1.0507, α = 1.6733",
        "Klambauer et al. 2017, arXiv:1706.02515",
        LECUN,
    ),
    Activation("gelu", "x·Φ(x) = x·(1 + erf(x / √2)) / 2", "Hendrycks & Gimpel 2016, arXiv:1606.08415", HE),
    Activation(
        "gelu_tanh",
        "x·(1 + tanh(√(2 / π)·(x + 0.044715·x³))) / 2",
        "Hendrycks & Gimpel 2016, arXiv:1606.08415, as the faster approximation",
        HE,
    ),
    Activation("silu", "x·σ(x)", "Elfwing et al. 2018, arXiv:1702.03118; swish in arXiv:1710.05941", HE),
    Activation("hard_silu", "x·min(max(x + 3, 0), 6) / 6", "Howard et al. 2019, arXiv:1905.02244", HE),
    Activation("mish", "x·tanh(ln(1 + eˣ))", "Misra 2020, arXiv:1908.08681", HE),
    Activation("squareplus", "(x + √(x² + b)) / 2", "Barron 2021, arXiv:2112.11687", HE, {"b": 4.0}, _positive("b")),
    Activation("squared_relu", "max(0, x)²", "So et al. 2021, arXiv:2109.08668", HE),
    Activation(
        "snake",
        "x + sin²(a·x) / a",
        "Ziyin et al. 2020, arXiv:2006.08195; a is fixed here, and may also be learned there",
        LECUN,
        {"a": 1.0},
        _positive("a"),
    ),
    Activation("logish", "x·ln(1 + σ(x))", "Zhu et al. 2021, https://doi.org/10.1016/j.neucom.2021.06.067", HE),
    Activation("smish", "x·tanh(ln(1 + σ(x)))", "Wang et al. 2022, https://doi.org/10.3390/electronics11040540", HE),
    Activation("serf", "x·erf(ln(1 + eˣ))", "Nag & Bhattacharyya 2021, arXiv:2108.09598", HE),
    Activation("eswish", "beta·x·σ(x)", "Alcaide 2018, arXiv:1801.07145", HE, {"beta": 1.25}, _positive("beta")),
    Activation(
        "penalized_tanh",
        "tanh(x) if x > 0 else a·tanh(x)",
        "Xu et al. 2016, arXiv:1602.05980",
        GLOROT,
        {"a": 0.25},
        {"0 < a < 1": lambda given: 0 < given["a"] < 1},
    ),
    Activation("lisht", "x·tanh(x)", "Roy et al. 2019, arXiv:1901.05894", HE),
    Activation("tanhexp", "x·tanh(eˣ)", "Liu & Di 2020, arXiv:2003.09855", HE),
)

ALIASES: dict[str, str] = {
    "identity": "linear",
    "logistic": "sigmoid",
    "hardsigmoid": "hard_sigmoid",
    "hardtanh": "hard_tanh",
    "leakyrelu": "leaky_relu",
    "lrelu": "leaky_relu",
    "swish": "silu",
    "hardsilu": "hard_silu",
    "hardswish": "hard_silu",
    "hard_swish": "hard_silu",
    "gelu_new": "gelu_tanh",
    "relu_squared": "squared_relu",
    "e_swish": "eswish",
    "tanh_exp": "tanhexp",
    "telu": "tanhexp",
}

_SMALLEST, _LARGEST = 1.2e-38, 3.4e38  # what float32 holds in full precision


def canonical_spec(spec: str) -> str:
    """Return the one spelling of `spec`: aliases resolved, defaults left out; one's own function is imported and kept.

    Raises:
        KactError: for a malformed spec, an unknown name or parameter, a value out of range, or a function of one's own
            that cannot be imported and called.

    Example:
        >>> canonical_spec("hard_swish"), canonical_spec("rrelu(upper=0.5, lower=0.125)"), canonical_spec("math:erf")
        ('hard_silu', 'rrelu(upper=0.5)', 'math:erf')
    """
    parsed = _parse(spec)
    if parsed.is_path:
        own.ask_for(parsed.name)
        return str(own.canonical_own(parsed))
    record, _ = resolve(spec)
    return str(canonical(parsed, record.parameters, "activation"))


def resolve(spec: str) -> tuple[Activation, dict[str, float]]:
    """Return the record that `spec` names and the value of each of its parameters.

    One's own function gets a record made up for it; it is not imported here, and its defaults are known once it was.

    Raises:
        KactError: for a malformed spec, an unknown name or parameter, or a value out of range.

    Example:
        >>> record, parameters = resolve("celu(alpha=0.5)")
        >>> record.source, parameters
        ('Barron 2017, arXiv:1704.07483', {'alpha': 0.5})
    """
    parsed = _parse(spec)
    if parsed.is_path:
        given = {key: value for key, value in parsed.options if isinstance(value, int | float)}
        defaults = own.parameters_of(parsed.name) if own.was_asked_for(parsed.name) else {}
        return Activation(parsed.name, "your own function", parsed.name, HE, defaults), {**defaults, **given}
    record = ACTIVATIONS[parsed.name]
    parameters = cast("dict[str, float]", bind(parsed, record.parameters, "activation"))  # as the defaults are
    for key, value in parameters.items():
        if value != 0 and not _SMALLEST <= math.fabs(value) <= _LARGEST:
            raise KactError.parameter(f"activation {record.name}: {key}", value, "a number that float32 can hold")
    for text, holds in record.conditions.items():
        if not holds(parameters):
            raise KactError.parameter("activation", str(parsed), f"given with {text}")
    return record, parameters


def recommended_initializer(spec: str) -> str:
    """Return the name of the initial weights that suit a layer followed by this activation: he_normal for one's own.

    Raises:
        KactError: as `resolve`.

    Example:
        >>> recommended_initializer("swish"), recommended_initializer("selu"), recommended_initializer("my.module:bump")
        ('he_normal', 'lecun_normal', 'he_normal')
    """
    return resolve(spec)[0].initializer


def make(spec: str, *, name: str | None = None, seed: int | None = None) -> keras.layers.Layer:
    """Return a fresh layer that applies the activation: call it once for each site, so that no two share weights.

    Args:
        spec: the activation.
        name: of the layer; Keras chooses one if None.
        seed: of the random slopes of rrelu, drawn from Keras' own seed if None; the others draw nothing.

    Returns:
        A layer that keeps shape and dtype, and that can be saved.

    Raises:
        KactError: as `canonical_spec`.

    Example:
        >>> make("leaky_relu(negative_slope=0.002)", name="first").spec
        'leaky_relu(negative_slope=0.002)'
    """
    canonical_form = canonical_spec(spec)  # before the heavy import: a typing error is told at once
    from kact.activations.layers import make_layer

    return make_layer(canonical_form, name=name, seed=seed)


def was_asked_for(spec: str) -> bool:
    """Whether a file may use this activation: one of the table, or one's own that this process named itself.

    Example:
        >>> was_asked_for("gelu"), was_asked_for("os:system")
        (True, False)
    """
    parsed = _parse(spec)
    return not parsed.is_path or own.was_asked_for(parsed.name)


def _parse(spec: str) -> Spec:
    parsed = parse_spec(spec, "activation")
    if parsed.is_path:
        return parsed
    known = choose(parsed.name, ACTIVATIONS, ALIASES, "activation", way_in(parsed.name, "function"))
    return Spec(known, parsed.options)
