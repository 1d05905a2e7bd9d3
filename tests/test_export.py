"""Export: the file computes what the run's model computes, needs no kact, says what it is; a wrong one is deleted."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kact import backend, export
from kact.errors import KactError
from kact.experiment import Experiment
from kact.predict import Predictor
from kact.train import run

# Those that train on digits; the taggers and AlexNet need data of their own.
ON_DIGITS = ("mlp", "cnn", "lenet", "strided_cnn")
SIZES = {"lenet": {"kernel_size": 2}, "mlp": {"hidden_units": [12]}, "cnn": {"filters": [3, 4], "hidden_units": [8]}}

# Each runs where kact cannot be imported, and prints the labels and the outputs as JSON.
READERS = {
    "torch": """
import torch
about = {"kact.labels": "", "kact.run": ""}
program = torch.export.load(path, extra_files=about)
outputs = program.module()(torch.from_numpy(x)).detach().numpy()
about = {key: text if isinstance(text, str) else text.decode() for key, text in about.items()}
""",
    "onnx": """
import onnx, onnxruntime
about = {one.key: one.value for one in onnx.load(path).metadata_props}
session = onnxruntime.InferenceSession(path)
assert session.get_inputs()[0].name == "image" and isinstance(session.get_inputs()[0].shape[0], str)
outputs = session.run(["logits"], {"image": x})[0]
""",
    "openvino": """
import openvino
network = openvino.Core().read_model(path)
about = {f"kact.{key}": network.get_rt_info(["kact", key]).astype(str) for key in ("labels", "run")}
assert network.input("image").partial_shape[0].is_dynamic
outputs = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"image": x})["logits"]
""",
}

needs_torch = pytest.mark.skipif(backend.name() != "torch", reason="the graph is captured by torch.export")


def small(name="mlp", activation="mish", **changes):
    return Experiment(
        model={"name": name, **SIZES.get(name, {})}, activation=activation, epochs=1, train_examples=100, **changes
    )


def needs(kind):
    for package in export.FORMATS[kind].packages:
        pytest.importorskip(package)


def read_without_kact(kind, path, x, folder):
    np.save(folder / "x.npy", x)
    code = (
        "import sys, json, numpy\npath, x = sys.argv[1], numpy.load(sys.argv[2])\n"
        + READERS[kind]
        + "assert not {'kact', 'keras'} & set(sys.modules)\n"
        + "print(json.dumps([about['kact.labels'], about['kact.run'], outputs.tolist()]))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path), str(folder / "x.npy")],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    labels, run_hash, outputs = json.loads(ran.stdout.splitlines()[-1])
    return json.loads(labels), run_hash, np.array(outputs)


@needs_torch
@pytest.mark.parametrize("kind", export.FORMATS)
def test_it_runs_without_kact_on_any_batch_and_says_what_it_is(kind, tmp_path, rng):
    needs(kind)
    finished = run(small("cnn", "prelu", batch_norm=True, dropout=0.1), out=tmp_path)
    written = export.export(finished, kind)
    assert written.path.parent == finished.path and written.difference <= 1e-5 * 100
    x = rng.integers(0, 256, (5, 8, 8, 1)).astype("float32")
    labels, run_hash, outputs = read_without_kact(kind, written.path, x, tmp_path)
    assert labels == [str(digit) for digit in range(10)] and run_hash == finished.experiment.hash
    wanted = np.asarray(Predictor(finished).model.predict_on_batch(x))
    np.testing.assert_allclose(outputs, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))


@needs_torch
@pytest.mark.parametrize("activation", ["rrelu", "snake(a=2)", "tests.own_activation:bent"])
@pytest.mark.parametrize("name", ON_DIGITS)
def test_every_model_goes_out_with_any_activation(name, activation, tmp_path):
    """In one format: all are made from the same captured graph."""
    finished = run(small(name, activation, batch_norm=True, learning_rate=0.01), out=tmp_path)
    assert export.export(finished, "torch", tmp_path / "deep/er/out.pt2").path.is_file()
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["out.pt2"]


@needs_torch
@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_file_that_computes_something_else_is_not_handed_over(kind, tmp_path, monkeypatch):
    needs(kind)
    finished = run(small(), out=tmp_path)
    captured, other = export._capture, Predictor(run(small(seed=1), out=tmp_path)).model
    monkeypatch.setattr(export, "_capture", lambda model: captured(other))
    before = sorted(path.name for path in finished.path.iterdir())
    with pytest.raises(KactError, match=r"other outputs than the run's, by .* the file was deleted"):
        export.export(finished, kind)
    assert sorted(path.name for path in finished.path.iterdir()) == before


@needs_torch
def test_a_network_that_the_exporter_cannot_take_is_told(tmp_path, monkeypatch):
    def refuse(model):
        raise RuntimeError("No such operator.\nA page of insides.")

    monkeypatch.setattr(export, "_capture", refuse)
    finished = run(small(), out=tmp_path)
    before = sorted(path.name for path in finished.path.iterdir())
    with pytest.raises(KactError, match=r"exporter to torch cannot take this network: No such operator\.\nTry another"):
        export.export(finished, "torch")
    assert sorted(path.name for path in finished.path.iterdir()) == before


@needs_torch
def test_what_travels_with_it(tmp_path):
    finished = run(small(loss="mse", seed=3), out=tmp_path)
    facts = export.description(Predictor(finished))
    assert json.loads(facts["kact.input_shape"]) == [8, 8, 1] and facts["kact.task"] == "digits"
    assert "0 to 255" in facts["kact.units"] and "logits" not in facts["kact.outputs"]
    assert json.loads(facts["kact.model"]) == {"name": "mlp", "hidden_units": [12]} and facts["kact.seed"] == "3"
    assert all(isinstance(text, str) for text in facts.values())


@needs_torch
@pytest.mark.parametrize(("kind", "extra"), [("onnx", "export"), ("openvino", "openvino")])
def test_a_missing_package_is_named_with_its_extra(kind, extra, tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(KactError, match=rf"pip install 'kact\[{extra}\]'"):
        export.export(tmp_path, kind)


@needs_torch
@pytest.mark.parametrize(
    ("kind", "out", "words"),
    [
        ("onxx", None, "Did you mean 'onnx'"),
        ("torch", "model.onnx", r"ends in \.pt2"),
        ("torch", "blocked/model.pt2", "Cannot write"),
    ],
)
def test_bad_input_is_told(kind, out, words, tmp_path):
    finished = run(small(), out=tmp_path)
    (tmp_path / "blocked").write_text("no folder")
    with pytest.raises(KactError, match=words):
        export.export(finished, kind, None if out is None else tmp_path / out)


def test_a_run_that_diverged_has_nothing_to_export(tmp_path):
    finished = run(small(activation="linear", optimizer="sgd", learning_rate=1e30), out=tmp_path)
    with pytest.raises(KactError, match="no model" if backend.name() == "torch" else "KERAS_BACKEND=torch"):
        export.export(finished, "torch")


def test_another_backend_is_told_where_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "name", lambda: "jax")
    with pytest.raises(KactError, match=r"needs the torch backend, and KERAS_BACKEND is 'jax'"):
        export.export(tmp_path, "torch")
