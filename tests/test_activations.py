"""The table of activations: names, aliases, one's own functions, and what is said of a spec that cannot be used."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kact import activations
from kact.activations import ACTIVATIONS, ALIASES, canonical_spec, make, own, registry
from kact.errors import KactError
from tests.gradients import to_float64

ROOT = Path(__file__).parents[1]


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )


def model_of(spec: str) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), make(spec)])


# --- the table ---


def test_records_are_immutable_and_hashable() -> None:
    with pytest.raises(TypeError):
        ACTIVATIONS["elu"].parameters["alpha"] = 2.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        ACTIVATIONS["elu"].name = "other"  # type: ignore[misc]
    assert len(set(ACTIVATIONS.values())) == len(ACTIVATIONS)


def test_a_duplicate_name_raises() -> None:
    with pytest.raises(KactError, match="'relu' is there twice"):
        registry.table(ACTIVATIONS["relu"], ACTIVATIONS["gelu"], ACTIVATIONS["relu"])


def test_aliases_hide_no_name_and_lead_to_one() -> None:
    assert not set(ALIASES) & set(ACTIVATIONS)
    assert set(ALIASES.values()) <= set(ACTIVATIONS)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_resolved(alias: str) -> None:
    assert canonical_spec(alias) == ALIASES[alias]
    assert make(alias).spec == ALIASES[alias]


def test_canonical_spec_drops_defaults_and_orders_parameters() -> None:
    assert canonical_spec("leaky_relu(negative_slope=0.01)") == "leaky_relu"
    assert canonical_spec("elu(alpha=1)") == "elu"
    assert canonical_spec("rrelu(upper=0.5, lower=0.25)") == "rrelu(lower=0.25, upper=0.5)"


def test_initializers_follow_the_papers() -> None:
    chosen = {name: activations.recommended_initializer(name) for name in ("relu", "tanh", "selu", "gelu", "leakyrelu")}
    assert chosen == {
        "relu": "he_normal",
        "tanh": "glorot_normal",
        "selu": "lecun_normal",
        "gelu": "he_normal",
        "leakyrelu": "he_normal",
    }


@pytest.mark.any_backend
def test_checking_specs_imports_no_deep_learning_library() -> None:
    heavy = "{'keras', 'torch', 'tensorflow', 'jax', 'numpy'}"
    code = (
        "import sys; from kact import activations; activations.canonical_spec('elu(alpha=2)');"
        f"activations.recommended_initializer('selu'); sys.exit(repr({heavy} & set(sys.modules) or ''))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == "''"


# --- one's own functions ---

OWN = """
import keras

LIMIT = 3

def bump(x):
    return keras.ops.exp(-x * x)

class Bump:
    pass
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "bumps_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "bumps_of_mine"
    sys.modules.pop("bumps_of_mine", None)


def test_own_function_works_and_round_trips(own_module: str, tmp_path: Path) -> None:
    spec = f"{own_module}:bump"
    assert canonical_spec(f" {spec} ") == spec
    assert activations.recommended_initializer(spec) == "he_normal"
    model = model_of(spec)
    x = keras.random.normal((2, 4))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].spec == spec
    np.testing.assert_array_equal(to_float64(loaded(x)), to_float64(model(x)))
    before = keras.Model(model.inputs, model.layers[0].output)
    np.testing.assert_allclose(to_float64(model(x)), np.exp(-(to_float64(before(x)) ** 2)), atol=1e-6)


OPEN_TWICE = """
import sys
sys.path.insert(0, sys.argv[2])
import keras, kact.activations.layers
try:
    keras.saving.load_model(sys.argv[1])
except Exception as error:
    print(error)
else:
    sys.exit("the file was believed")
kact.activations.canonical_spec(sys.argv[3])
keras.saving.load_model(sys.argv[1])
"""


@pytest.mark.any_backend
def test_a_file_alone_cannot_choose_which_function_runs(own_module: str, tmp_path: Path) -> None:
    model_of(f"{own_module}:bump").save(tmp_path / "model.keras")
    ran = run_python(OPEN_TWICE, tmp_path / "model.keras", tmp_path, f"{own_module}:bump")
    assert ran.returncode == 0, ran.stderr
    assert "which nobody named in this process" in ran.stdout
    assert own_module in ran.stdout


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("no_such_module_of_mine:bump", ["no_such_module_of_mine", "cannot be imported", "PYTHONPATH"]),
        ("bumps_of_mine.deeper:bump", ["bumps_of_mine.deeper", "cannot be imported"]),
        ("bumps_of_mine:bumb", ["has no 'bumb'", "Did you mean 'bump'?"]),
        ("bumps_of_mine:LIMIT", ["a function of one tensor", "bumps_of_mine:LIMIT"]),
        ("bumps_of_mine:Bump", ["a function of one tensor", "not of a class"]),
    ],
)
def test_unusable_own_function_is_explained(own_module: str, path: str, told: list[str]) -> None:
    for use in (canonical_spec, make):
        with pytest.raises(KactError) as raised:
            use(path)
        assert all(text in str(raised.value) for text in told), str(raised.value)


def test_a_module_that_needs_another_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy_of_mine.py").write_text("import no_such_library_of_mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KactError, match=r"'needy_of_mine'.*needs 'no_such_library_of_mine', which is not installed"):
        canonical_spec("needy_of_mine:bump")


# --- errors ---


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("rellu", ["'activation'", "'rellu'", "relu, relu6, leaky_relu", "Did you mean 'relu'?", "package.module:"]),
        ("ReLU", ["Did you mean 'relu'?"]),
        ("gelu_tan(x=1)", ["Did you mean 'gelu_tanh'?"]),
        ("zzzzzz", ["tanhexp", "'zzzzzz'"]),
        ("elu(alfa=2)", ["'elu' with parameters among: alpha", "Did you mean 'alpha'?"]),
        ("relu(slope=1)", ["'relu' takes no parameters", "relu(slope=1)"]),
        ("swish(beta=2)", ["'silu' takes no parameters"]),
        ("elu(alpha='2')", ["alpha", "a number", "'2'"]),
        ("elu(alpha=True)", ["alpha", "a number", "True"]),
        ("elu(alpha=None)", ["alpha", "a number", "None"]),
        ("elu(alpha=-1)", ["alpha > 0", "elu(alpha=-1)"]),
        ("celu(alpha=0)", ["alpha > 0"]),
        ("squareplus(b=0)", ["b > 0"]),
        ("snake(a=0.0)", ["a > 0"]),
        ("eswish(beta=-2)", ["beta > 0"]),
        ("penalized_tanh(a=1)", ["0 < a < 1"]),
        ("rrelu(lower=0.5)", ["0 ≤ lower ≤ upper ≤ 1"]),
        ("rrelu(upper=2)", ["0 ≤ lower ≤ upper ≤ 1"]),
        ("elu(alpha=1e300)", ["alpha", "float32"]),
        ("snake(a=1e-300)", ["a", "float32"]),
        ("leaky_relu(negative_slope=1e999)", ["with numbers or words as values"]),
        ("elu(2)", ["name(key=value, ...)"]),
        ("elu(alpha=float('nan'))", ["name(key=value, ...)"]),
        ("elu(alpha=1, alpha=2)", ["name(key=value, ...)"]),
        ("elu(", ["name(key=value, ...)"]),
        ("elu(**{})", ["name(key=value, ...)"]),
        ("__import__('os').system('true')", ["name(key=value, ...)"]),
        ("a.b:c(1)", ["name(key=value, ...)"]),
        ("a.b:c(x=1", ["name(key=value, ...)"]),
        ("", ["name(key=value, ...)"]),
        (None, ["name(key=value, ...)", "None"]),
        (keras.ops.relu, ["name(key=value, ...)"]),
    ],
)
def test_unusable_spec_is_explained(spec: Any, told: list[str]) -> None:
    for use in (canonical_spec, make, activations.resolve, activations.recommended_initializer):
        with pytest.raises(KactError) as raised:
            use(spec)
        assert all(text in str(raised.value) for text in told), str(raised.value)


WIDE = "tests.own_activation:wide"


def test_a_function_of_ones_own_takes_its_numbers_as_parameters(tmp_path: Path) -> None:
    assert canonical_spec(f"{WIDE}(width=2)") == canonical_spec(f"{WIDE}()") == WIDE
    narrow = canonical_spec(f" {WIDE}( width = 1 )")
    assert narrow == f"{WIDE}(width=1.0)" and activations.resolve(narrow)[1] == {"width": 1.0}
    layer, x = make(narrow, name="hidden"), keras.ops.array([[1.0]])
    assert float(layer(x)[0, 0]) == pytest.approx(math.exp(-1)) != float(make(WIDE)(x)[0, 0])
    model = keras.Sequential([keras.Input((1,)), layer])
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").layers[-1].spec == narrow
    assert own.values_of(narrow) != own.values_of(WIDE) and not own.unchanged(
        own.values_of(narrow), own.values_of(WIDE)
    )


def test_a_whole_number_stays_whole_where_the_default_is() -> None:
    powered = "tests.own_activation:powered"
    assert (
        canonical_spec(f"{powered}(order=3.0)") == canonical_spec(f"{powered}(by=1, order=3)") == f"{powered}(order=3)"
    )
    assert float(make(f"{powered}(order=3)")(keras.ops.array([2.0]))[0]) == 8.0
    assert canonical_spec(f"{powered}(order=2)") == powered
    assert (
        activations.resolve(powered)[1] == {"order": 2, "by": 1.0} == dict(activations.resolve(powered)[0].parameters)
    )


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (f"{WIDE}(breadth=1)", ["'breadth'", "parameters among", "width"]),
        (f"{WIDE}(width='a')", ["width", "a number"]),
        ("tests.own_activation:bent(width=1)", ["takes no parameters"]),
        ("tests.own_activation:between", ["needs 2 arguments: x, low", "`low=1.0`"]),
    ],
)
def test_a_parameter_that_ones_own_function_has_not_is_told(spec: str, told: list[str]) -> None:
    with pytest.raises(KactError) as raised:
        canonical_spec(spec)
    assert all(text in str(raised.value) for text in told), str(raised.value)
