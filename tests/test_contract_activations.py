"""The battery that every activation of the table passes, on whichever backend runs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kact import activations
from kact.activations import ACTIVATIONS, Activation, canonical_spec, make
from kact.activations import functions as activation_functions
from tests.gradients import to_float64, value_and_gradient
from tests.references import REFERENCES

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parents[1]

# Every activation as it comes, and once more with each of its parameters halved.
SPECS = list(ACTIVATIONS) + [
    f"{name}({', '.join(f'{key}={default / 2!r}' for key, default in record.parameters.items())})"
    for name, record in ACTIVATIONS.items()
    if record.parameters
]
GRID = np.concatenate(
    [
        [-1e4, -50.0, -20.5, 0.0, 20.5, 50.0, 1e4],
        [sign * tiny for sign in (-1.0, 1.0) for tiny in (1e-30, 1e-8, 1e-3)],
        np.linspace(-12, 12, 241),  # the kinks at -3, -1, 0, 1, 3 and 6 among them
    ]
).astype("float32")  # rounded once, so that each precision is given the same points


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


def with_dtype(spec: str, dtype: str, **keywords: Any) -> Any:
    layer = make(spec, **keywords)
    layer.dtype_policy = keras.DTypePolicy(dtype)
    return layer


def real_float64() -> AbstractContextManager[Any]:
    if BACKEND != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def reference(spec: str, x: np.ndarray) -> np.ndarray:
    record, parameters = activations.resolve(spec)
    return REFERENCES[record.name](x.astype("float64"), **parameters)


def small_model(*specs: str) -> keras.Model:
    return keras.Sequential(
        [keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3, data_format="channels_last"), *map(make, specs)]
    )


# --- values and gradients ---


@pytest.mark.parametrize("spec", SPECS)
def test_value_is_the_papers_formula_in_float64(spec: str) -> None:
    with real_float64():
        value = to_float64(with_dtype(spec, "float64")(keras.ops.convert_to_tensor(GRID[:, None], dtype="float64")))
    np.testing.assert_allclose(value[:, 0], reference(spec, GRID), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_value_is_the_papers_formula_in_float32(spec: str) -> None:
    value = to_float64(with_dtype(spec, "float32")(keras.ops.convert_to_tensor(GRID[:, None])))
    np.testing.assert_allclose(value[:, 0], reference(spec, GRID), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_gradient_is_the_formulas_slope(spec: str) -> None:
    step = 1e-6
    points = np.array([-50.0, -7.3, -2.2, -0.6, -1e-3, 0.0, 1e-3, 0.6, 2.2, 7.3, 50.0], dtype="float32")
    before = (reference(spec, points) - reference(spec, points.astype("float64") - step)) / step
    after = (reference(spec, points.astype("float64") + step) - reference(spec, points)) / step
    _, gradient = value_and_gradient(make(spec), points[:, None], "float32")
    # At a kink any slope between those on either side will do.
    low, high = np.minimum(before, after) - 2e-5, np.maximum(before, after) + 2e-5
    assert np.all((low <= gradient[:, 0]) & (gradient[:, 0] <= high)), (gradient[:, 0], before, after)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_value_and_gradient_are_finite_far_out_and_at_zero(spec: str, dtype: str) -> None:
    far = [-1e4, 1e4] if dtype == "float32" else []
    points = np.array([-50.0, -0.0, 0.0, 50.0, *far])[:, None]
    value, gradient = value_and_gradient(with_dtype(spec, dtype), points, dtype)
    assert np.isfinite(value).all(), value
    assert np.isfinite(gradient).all(), gradient


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 4e-3), ("bfloat16", 3e-2)])
def test_half_precision_goes_in_and_comes_out(spec: str, dtype: str, tolerance: float) -> None:
    points = np.array([-50.0, -3.0, -1.0, 0.0, 1.0, 3.0, 50.0])
    x = keras.ops.convert_to_tensor(points[:, None], dtype=dtype)
    for training in (False, True):
        value = with_dtype(spec, dtype)(x, training=training)
        assert keras.backend.standardize_dtype(value.dtype) == dtype
    record, parameters = activations.resolve(spec)
    if record.name in activation_functions.FUNCTIONS:
        value = activation_functions.FUNCTIONS[record.name](x, **parameters)
        assert keras.backend.standardize_dtype(value.dtype) == dtype
        np.testing.assert_allclose(to_float64(value)[:, 0], reference(spec, points), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("spec", SPECS)
def test_mixed_precision_computes_in_half_and_keeps_weights_whole(spec: str) -> None:
    layer = with_dtype(spec, "mixed_bfloat16")
    value = layer(keras.ops.ones((2, 3)))
    assert keras.backend.standardize_dtype(value.dtype) == "bfloat16"
    assert all(weight.dtype == "float32" for weight in layer.trainable_weights)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (2, 4, 5, 3)])
def test_shape_and_mask_pass_through(spec: str, shape: tuple[int, ...]) -> None:
    layer = make(spec)
    assert tuple(layer(keras.ops.ones(shape)).shape) == shape
    assert layer(keras.Input(shape[1:])).shape == (None, *shape[1:])
    assert layer.supports_masking


# --- the table ---


@pytest.mark.parametrize("record", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
def test_record_is_complete(record: Activation) -> None:
    assert record.name in REFERENCES
    assert record.formula and (" " in record.source)
    assert record.initializer in ("he_normal", "glorot_normal", "lecun_normal")
    assert all(condition(record.parameters) for condition in record.conditions.values())
    registered = keras.saving.get_registered_object(f"kact>{record.name}")
    assert registered is not None
    if record.name in activation_functions.FUNCTIONS:
        signature = inspect.signature(activation_functions.FUNCTIONS[record.name]).parameters
        assert {key: given.default for key, given in signature.items() if key != "x"} == dict(record.parameters)


@pytest.mark.parametrize("spec", SPECS)
def test_canonical_spec_is_a_fixed_point(spec: str) -> None:
    assert canonical_spec(canonical_spec(f" {spec} ")) == canonical_spec(spec)


def test_keras_own_slope_does_not_leak_in() -> None:
    for value in (
        make("leaky_relu")(keras.ops.array([-1.0])),
        activation_functions.leaky_relu(keras.ops.array([-1.0])),
        keras.layers.Activation(activation_functions.leaky_relu)(keras.ops.array([-1.0])),
    ):
        assert float(value[0]) == pytest.approx(-0.01)


# --- layers: weights, chance, files ---


@pytest.mark.parametrize("spec", SPECS)
def test_each_site_has_a_layer_and_weights_of_its_own(spec: str) -> None:
    one, two = make(spec), make(spec)
    assert one is not two
    for layer in (one, two):
        layer(keras.ops.ones((2, 3)))
    assert bool(one.trainable_weights) == activations.resolve(spec)[0].trainable
    before = [keras.ops.convert_to_numpy(weight) for weight in two.weights]
    for weight in one.weights:
        assert all(weight is not other for other in two.weights)
        weight.assign(weight + 1)
    for weight, value in zip(two.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)


@pytest.mark.parametrize("spec", SPECS)
def test_saved_model_gives_identical_outputs(spec: str, tmp_path: Path) -> None:
    model = small_model(spec)
    for weight in model.trainable_weights:
        weight.assign(keras.random.normal(weight.shape))
    x = keras.random.normal((2, 6, 6, 2), stddev=3.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].spec == canonical_spec(spec)
    assert type(loaded.layers[-1]) is type(model.layers[-1])
    np.testing.assert_array_equal(to_float64(loaded(x)), to_float64(model(x)))


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": BACKEND}, capture_output=True, text=True, check=False
    )


def test_one_import_is_enough_to_load_every_activation(tmp_path: Path) -> None:
    model = small_model(*SPECS)
    model.save(tmp_path / "model.keras")
    x = keras.random.normal((2, 6, 6, 2))
    np.save(tmp_path / "x.npy", to_float64(x))
    code = (
        "import sys, numpy, keras, kact.activations.layers\n"
        "folder = sys.argv[1]\n"
        "model = keras.saving.load_model(folder + '/model.keras')\n"
        "y = model(numpy.load(folder + '/x.npy').astype('float32'))\n"
        "numpy.save(folder + '/y.npy', keras.ops.convert_to_numpy(y))\n"
    )
    ran = run_python(code, tmp_path)
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), to_float64(model(x)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", activation_functions.FUNCTIONS)
def test_function_survives_inside_a_keras_layer(name: str) -> None:
    dense = keras.layers.Dense(2, activation=activation_functions.FUNCTIONS[name])
    restored = keras.layers.deserialize(keras.layers.serialize(dense))
    assert restored.activation is activation_functions.FUNCTIONS[name]


@pytest.mark.parametrize("spec", ["prelu", "rrelu", "mish", "snake(a=2)"])
def test_a_compiled_training_step_runs(spec: str) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), make(spec), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    x, y = np.random.default_rng(0).normal(size=(2, 8, 4)).astype("float32")
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(x, y[:, :1], epochs=1, batch_size=8, verbose=0)
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
