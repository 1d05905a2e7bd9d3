"""One saved run of every model, opened in a process of its own on each backend: the outputs are the same to 1e-5."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kact import backend
from kact.export.inputs import random_inputs
from kact.predict import Predictor
from kact.tasks import load_task
from kact.train import run
from tests.experiments import small

ROOT = Path(__file__).parents[1]
CELLS = [(model, activation) for model in ("mlp", "cnn", "lenet", "strided_cnn") for activation in ("prelu", "gelu")]
CELLS += [("mlp", "rrelu"), ("mlp", "squareplus(b=2)")]
CELLS += [("alexnet", "prelu"), ("window_tagger", "prelu"), ("bilstm_tagger", "prelu")]
if backend.compiles_shapes():  # each convolutional step for many seconds; the files of the others are opened there
    CELLS = [(model, activation) for model, activation in CELLS if model == "mlp" or activation == "prelu"]
FEW = {model: {"train_examples": 64} for model in ("mlp", "cnn", "lenet", "strided_cnn")}
TOLERANCE = 1e-5  # times the largest output, or 1

OPEN_ALL = """
import json, sys
import numpy as np
from kact.predict import Predictor

for path, inputs, outputs in json.load(open(sys.argv[1])):
    given = dict(np.load(inputs))
    given = given if len(given) > 1 else next(iter(given.values()))
    np.save(outputs, np.asarray(Predictor(path).model.predict_on_batch(given)))
"""


def in_a_process(name, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return, for each cell, its run, its inputs by name, and its outputs on the backend that trained it."""
    folder = tmp_path_factory.mktemp("cells")
    found = {}
    for number, (model, activation) in enumerate(CELLS):
        finished = run(
            small(model, folder, activation=activation, batch_norm=True, dropout=0.1, **FEW.get(model, {})),
            out=folder,
        )
        network = Predictor(finished).model
        inputs = random_inputs(network, 7)  # for the taggers sentences of every length from 1 to 7, padded
        np.savez(folder / f"inputs{number}.npz", **inputs)
        given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
        found[model, activation] = (
            finished,
            folder / f"inputs{number}.npz",
            np.asarray(network.predict_on_batch(given)),
        )
    return found


@pytest.mark.skipif(
    not any(backend.installed(name) for name in backend.BACKENDS if name != backend.name()),
    reason="no other backend is installed",
)
@pytest.mark.parametrize("name", backend.BACKENDS)
def test_a_saved_run_gives_the_same_outputs_on_every_backend(name, trained, tmp_path):
    if not backend.installed(name):
        pytest.skip(f"{name} is not installed")
    jobs = [
        (str(finished.path), str(inputs), str(tmp_path / f"{number}.npy"))
        for number, (finished, inputs, _) in enumerate(trained.values())
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    ran = in_a_process(name, "-c", OPEN_ALL, tmp_path / "jobs.json")
    assert ran.returncode == 0, ran.stderr
    for number, (cell, (_, _, wanted)) in enumerate(trained.items()):
        assert np.abs(wanted).max() > 0.01, cell
        np.testing.assert_allclose(
            np.load(tmp_path / f"{number}.npy"),
            wanted,
            rtol=0,
            atol=TOLERANCE * max(1, np.abs(wanted).max()),
            err_msg=str(cell),
        )


@pytest.mark.parametrize("name", ["numpy", "openvino"])
def test_prediction_without_a_training_backend(name, trained, tmp_path):
    """The command gives the labels and the probabilities that Predictor gives here."""
    if not backend.installed(name):
        pytest.skip(f"{name} is not installed")
    from PIL import Image

    finished = trained["cnn", "prelu"][0]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    inputs, _ = load_task("digits").test.take(np.arange(3))
    for path, stored in zip(paths, inputs, strict=True):
        Image.fromarray(stored[..., 0]).save(path)
    ran = in_a_process(name, "-m", "kact", "predict", finished.path, *paths, "--json")
    assert ran.returncode == 0, ran.stderr
    for line, wanted in zip(ran.stdout.splitlines(), Predictor(finished).predict(paths), strict=True):
        found = json.loads(line)
        assert found["label"] == wanted.label
        for label, probability in wanted.probabilities.items():
            assert found["probabilities"][label] == pytest.approx(probability, abs=1e-5)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["numpy", "openvino"])
def test_training_there_is_refused_in_one_line(name, tmp_path):
    if not backend.installed(name):
        pytest.skip(f"{name} is not installed")
    ran = in_a_process(name, "-m", "kact", "train", "--epochs", 1, "--out", tmp_path / "runs")
    assert ran.returncode == 2
    said = [line for line in ran.stderr.splitlines() if line.startswith("kact: ")]
    assert said == [
        f"kact: The {name} backend predicts only; to train, set KERAS_BACKEND to torch, tensorflow or jax."
    ], ran.stderr
    assert "Traceback" not in ran.stderr and not (tmp_path / "runs").exists()


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("name", "words"), [("torhc", "Did you mean 'torch'"), ("cntk", "torch, tensorflow, jax, openvino, numpy")]
)
def test_a_backend_that_there_is_not_is_named(name, words, tmp_path):
    ran = in_a_process(name, "-m", "kact", "train", "--out", tmp_path / "runs")
    assert ran.returncode == 2 and words in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.any_backend
def test_a_backend_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    from kact.errors import KactError

    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(KactError, match=r"not installed.\n.*pip install 'kact\[openvino\]'"):
        backend.select_default()
