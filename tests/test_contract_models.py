"""The battery that every model passes, with every kind of activation, on the running backend."""

import numpy as np
import pytest

from kact.experiment import Experiment
from kact.models import MODELS
from kact.predict import Predictor
from kact.runs import Checkpoint
from kact.train import run

SIZES = {"lenet": {"kernel_size": 2}}  # LeNet's own kernel does not fit the 8x8 images of digits


@pytest.mark.parametrize("activation", ["relu", "prelu", "rrelu", "leaky_relu(negative_slope=0.3)"])
@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.input == "image"])
def test_it_learns_and_comes_back_from_its_file_with_the_same_outputs(name, activation, tmp_path):
    finished = run(
        Experiment(
            model={"name": name, **SIZES.get(name, {})},
            activation=activation,
            batch_norm=True,
            dropout=0.1,
            learning_rate=0.01,
            epochs=3,
            train_examples=400,
        ),
        out=tmp_path,
    )
    assert finished.history[-1]["train_loss"] < finished.history[0]["train_loss"]
    model = Predictor(finished).model
    kept = Checkpoint.load(finished.path / "checkpoint.npz").best_weights
    for loaded in model.get_weights():
        assert any(loaded.shape == stored.shape and np.array_equal(loaded, stored) for stored in kept)
    inputs = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype("float32")
    one, other = (np.asarray(Predictor(finished).model.predict_on_batch(inputs)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (5, 10) and np.isfinite(one).all()
