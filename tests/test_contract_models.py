"""The battery that every model passes, with every kind of activation, on the running backend."""

import numpy as np
import pytest

from kact.experiment import Experiment
from kact.models import MODELS
from kact.predict import Predictor
from kact.runs import Checkpoint
from kact.tasks import get_task
from kact.train import run
from tests.image_sets import make_folder

SIZES = {
    "lenet": {"kernel_size": 2},  # LeNet's own kernel does not fit the 8x8 images of digits
    "alexnet": {"filters": [8, 8, 8, 8, 8], "hidden_units": [16, 16], "dense_dropout": 0.1},
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Images large enough for AlexNet."""
    return make_folder(tmp_path_factory.mktemp("photographs"), {"red": 24, "green": 24}, size=(70, 64), suffix="jpg")


@pytest.mark.parametrize("activation", ["relu", "prelu", "rrelu", "leaky_relu(negative_slope=0.3)"])
@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.input == "image"])
def test_it_learns_and_comes_back_from_its_file_with_the_same_outputs(name, activation, photographs, tmp_path):
    data = {"train_examples": 400}
    if name == "alexnet":
        data = {"task": "image_folder(image_size=63)", "data": str(photographs), "batch_size": 8}
    finished = run(
        Experiment(
            model={"name": name, **SIZES.get(name, {})},
            activation=activation,
            batch_norm=True,
            dropout=0.1,
            learning_rate=0.01,
            epochs=3,
            **data,
        ),
        out=tmp_path,
    )
    assert finished.history[-1]["train_loss"] < finished.history[0]["train_loss"]
    model = Predictor(finished).model
    kept = Checkpoint.load(finished.path / "checkpoint.npz").best_weights
    for loaded in model.get_weights():
        assert any(loaded.shape == stored.shape and np.array_equal(loaded, stored) for stored in kept)
    task = get_task(finished.experiment.task, finished.experiment.data)
    inputs = np.random.default_rng(0).integers(0, 256, (5, *task.input_shape)).astype("float32")
    one, other = (np.asarray(Predictor(finished).model.predict_on_batch(inputs)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (5, len(task.labels)) and np.isfinite(one).all()
