"""The masked LSTM is Keras' LSTM, number for number, for every mask; on torch without the loop over time."""

import keras
import numpy as np
import pytest

from kact import backend
from kact.layers.masked_lstm import MaskedLSTM

BATCH, STEPS, FEATURES, UNITS = 5, 7, 3, 4
MASKS = {
    "none": None,
    "all real": np.ones((BATCH, STEPS), bool),
    "right": np.arange(STEPS) < np.array([7, 4, 1, 3, 6])[:, None],
    "left": np.arange(STEPS) >= np.array([0, 2, 6, 3, 5])[:, None],
    "interior": np.random.default_rng(5).random((BATCH, STEPS)) < 0.5,
    "all masked": np.zeros((BATCH, STEPS), bool),
    "one sequence all masked": np.arange(STEPS) < np.array([7, 0, 3, 0, 2])[:, None],
}


def pair(seed=0, **options):
    """The two layers with the same weights, their biases not zero."""
    layers = [kind(UNITS, **options) for kind in (MaskedLSTM, keras.layers.LSTM)]
    rng = np.random.default_rng(seed)
    for layer in layers:
        layer.build((None, STEPS, FEATURES))
    weights = [rng.normal(size=weight.shape) for weight in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def data(seed=1):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    states = [rng.normal(size=(BATCH, UNITS)).astype("float32") for _ in range(2)]
    return inputs, states


def values(results):
    return [backend.to_numpy(one) for one in (results if isinstance(results, list | tuple) else [results])]


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("given_state", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_and_states(mask, given_state, zero_output_for_mask, return_sequences, go_backwards):
    layers = pair(
        go_backwards=go_backwards,
        return_sequences=return_sequences,
        zero_output_for_mask=zero_output_for_mask,
        return_state=True,
    )
    inputs, states = data()
    found, expected = (
        values(layer(inputs, mask=MASKS[mask], initial_state=states if given_state else None)) for layer in layers
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_random_masks(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((BATCH, STEPS)) < rng.random((BATCH, 1))
    layers = pair(seed, return_sequences=True, go_backwards=bool(seed % 2))
    found, expected = (values(layer(data(seed)[0], mask=mask)) for layer in layers)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


@pytest.mark.skipif(backend.name() != "torch", reason="elsewhere it is Keras' own layer")
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_gradients(mask, return_state, zero_output_for_mask, go_backwards):
    """By inputs, weights and initial states, of a sum that weighs every output and state differently."""
    import torch

    found = []
    for layer in pair(
        return_sequences=True,
        return_state=return_state,
        zero_output_for_mask=zero_output_for_mask,
        go_backwards=go_backwards,
    ):
        arrays, states = data()
        inputs, *given = (torch.tensor(array, requires_grad=True) for array in (arrays, *states))
        results = layer(inputs, mask=MASKS[mask], initial_state=given)
        results = results if return_state else [results]
        total = sum((torch.cos(torch.arange(one.numel()).reshape(one.shape)) * one).sum() for one in results)
        weights = [variable.value for variable in layer.trainable_variables]
        found.append(torch.autograd.grad(total, [inputs, *given, *weights]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), atol=2e-5)


@pytest.mark.skipif(backend.name() != "torch", reason="elsewhere it is Keras' own layer")
def test_a_mask_does_not_run_the_loop_over_time(monkeypatch):
    fast, slow = pair(return_sequences=True)

    def refuse(*arguments, **options):
        raise AssertionError("the loop ran")

    monkeypatch.setattr(type(fast.cell), "call", refuse)
    fast(data()[0], mask=MASKS["interior"])
    with pytest.raises(AssertionError, match="the loop ran"):
        slow(data()[0], mask=MASKS["interior"])


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"unroll": True},
        {"implementation": 1},
    ],
)
def test_what_the_kernel_cannot_do_is_keras_own(options):
    layers = pair(return_sequences=True, **options)
    found, expected = (values(layer(data()[0], mask=MASKS["interior"])) for layer in layers)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


def test_dropout_is_drawn_in_training_and_not_in_inference():
    layer = MaskedLSTM(UNITS, return_sequences=True, dropout=0.5, seed=1)
    calm = [values(layer(data()[0], mask=MASKS["right"], training=False))[0] for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    assert np.abs(values(layer(data()[0], mask=MASKS["right"], training=True))[0] - calm[0]).max() > 1e-3


def test_what_lies_under_the_mask_does_not_matter():
    layer = pair(return_sequences=True)[0]
    inputs = data()[0]
    other = np.where(MASKS["interior"][..., None], inputs, 1e3).astype("float32")
    found, expected = (values(layer(one, mask=MASKS["interior"]))[0] for one in (inputs, other))
    np.testing.assert_array_equal(found, expected)


def bidirectional(kind):
    inputs = keras.Input((None, FEATURES))
    mask = keras.Input((None,), dtype="bool")
    layer = keras.layers.Bidirectional(kind(UNITS, return_sequences=True))
    return keras.Model([inputs, mask], layer(inputs, mask=mask))


@pytest.mark.parametrize("mask", [name for name in MASKS if name != "none"])
def test_both_directions_and_the_file(mask, tmp_path):
    keras.utils.set_random_seed(0)
    model, reference = bidirectional(MaskedLSTM), bidirectional(keras.layers.LSTM)
    reference.set_weights(model.get_weights())
    given = [data()[0], MASKS[mask]]
    found, expected = (np.asarray(one.predict_on_batch(given)) for one in (model, reference))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    model.save(tmp_path / "both.keras")
    loaded = keras.saving.load_model(tmp_path / "both.keras")
    assert type(loaded.layers[-1].forward_layer) is MaskedLSTM
    np.testing.assert_array_equal(np.asarray(loaded.predict_on_batch(given)), found)
