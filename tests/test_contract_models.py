"""The battery that every model passes, with every kind of activation, on the running backend."""

import numpy as np
import pytest

from kact.export.inputs import random_inputs
from kact.predict import Predictor
from kact.runs.checkpoint import Checkpoint
from kact.train import run
from tests.experiments import IMAGE_MODELS, TAGGERS, small

ACTIVATIONS = ("relu", "prelu", "rrelu", "leaky_relu(negative_slope=0.3)")
CELLS = [(name, activation) for name in IMAGE_MODELS for activation in ACTIVATIONS]
CELLS += [(name, activation) for name in TAGGERS for activation in ("prelu", "rrelu")]  # with weights, and with chance


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize(("name", "activation"), CELLS)
def test_it_learns_and_comes_back_from_its_file_with_the_same_outputs(name, activation, data, tmp_path):
    finished = run(small(name, data, activation=activation, batch_norm=True, dropout=0.1, epochs=3), out=tmp_path)
    assert finished.history[-1]["train_loss"] < finished.history[0]["train_loss"]
    model = Predictor(finished).model
    kept = Checkpoint.load(finished.path / "checkpoint.npz").best_weights
    for loaded in model.get_weights():
        assert any(loaded.shape == stored.shape and np.array_equal(loaded, stored) for stored in kept)
    inputs = random_inputs(model, 5)
    given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    one, other = (np.asarray(model.predict_on_batch(given)) for _ in range(2))  # by chance in training only
    np.testing.assert_array_equal(one, other)
    assert one.shape[0] == 5 and one.shape[-1] == len(finished.metrics["task"]["labels"]) and np.isfinite(one).all()
