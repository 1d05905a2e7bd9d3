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
from kact.export import network
from kact.export.inputs import random_inputs
from kact.predict import Predictor
from kact.text.encoded import EncodedSplit
from kact.text.tokens import tokenize
from kact.text.vocabulary import Vocabulary
from kact.train import run
from kact.training.assembly import build_network, load_arrays_of
from tests.corpus import TAGS
from tests.experiments import TAGGERS
from tests.experiments import small as tiny

SIZES = {"mlp": {"hidden_units": [12]}, "cnn": {"filters": [3, 4], "hidden_units": [8]}}

# Each runs where kact cannot be imported, and prints the labels and the outputs as JSON.
READERS = {
    "torch": """
import torch
about = {"kact.labels": "", "kact.run": "", "kact.inputs": ""}
program = torch.export.load(path, extra_files=about)
outputs = program.module()(*(torch.from_numpy(x[name]) for name in json.loads(about["kact.inputs"]))).detach().numpy()
about = {key: text if isinstance(text, str) else text.decode() for key, text in about.items()}
""",
    "onnx": """
import onnx, onnxruntime
about = {one.key: one.value for one in onnx.load(path).metadata_props}
session = onnxruntime.InferenceSession(path)
wanted = json.loads(about["kact.inputs"])
assert {one.name: one.shape for one in session.get_inputs()} == {name: one["shape"] for name, one in wanted.items()}
outputs = session.run(["logits"], x)[0]
""",
    "openvino": """
import openvino
network = openvino.Core().read_model(path)
about = {f"kact.{key}": network.get_rt_info(["kact", key]).astype(str) for key in ("labels", "run")}
assert all(network.input(name).partial_shape[0].is_dynamic for name in x)
outputs = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)["logits"]
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


def read_without_kact(kind, jobs, folder):
    """Run files on inputs where kact cannot be imported; return for each its labels, its run's hash and its outputs."""
    for number, (_, inputs) in enumerate(jobs):
        np.savez(folder / f"{number}.npz", **inputs)
    code = (
        "import sys, json, numpy\n"
        "for number, path in enumerate(sys.argv[1:]):\n"
        "    x = dict(numpy.load(f'{number}.npz'))"
        + READERS[kind].replace("\n", "\n    ")
        + "print(json.dumps([about['kact.labels'], about['kact.run'], outputs.tolist()]))\n"
        + "assert not {'kact', 'keras'} & set(sys.modules)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", code, *(str(path) for path, _ in jobs)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    read = [json.loads(line) for line in ran.stdout.splitlines()[-len(jobs) :]]
    return [(json.loads(labels), run_hash, np.array(outputs)) for labels, run_hash, outputs in read]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def both(data):
    """A network of images and one of words, each with weights in its activation."""
    settings = {"activation": "prelu", "batch_norm": True, "dropout": 0.1}
    return [run(tiny(name, data, **settings), out=data / "runs") for name in ("cnn", "bilstm_tagger")]


TWEETS = ["the abing", "so the bodness is abful " * 12, "x"]


@needs_torch
@pytest.mark.parametrize("kind", export.FORMATS)
def test_they_run_without_kact_on_any_batch_and_any_length_and_say_what_they_are(kind, both, tmp_path, rng):
    needs(kind)
    tagger = both[1]
    written = [export.export(finished, kind) for finished in both]
    for finished, one in zip(both, written, strict=True):
        assert one.path.parent == finished.path and one.difference <= 1e-5 * 100
    assert not written[0].steps and len(set(written[1].steps)) == 3
    # What a user does with a tweet: the vocabulary that travels makes the inputs.
    known = Vocabulary.parse(export.description(Predictor(tagger))["kact.vocabulary"])
    tokens = [tokenize(tweet) for tweet in TWEETS]
    words, _ = EncodedSplit.of(tokens, [[0] * len(one) for one in tokens], known).take(np.arange(len(tokens)))
    given = [{"image": rng.integers(0, 256, (5, 8, 8, 1)).astype("float32")}, words]
    jobs = list(zip((one.path for one in written), given, strict=True))
    found = read_without_kact(kind, jobs, tmp_path)
    for finished, inputs, (labels, run_hash, outputs) in zip(both, given, found, strict=True):
        assert labels == finished.metrics["task"]["labels"] and run_hash == finished.experiment.hash
        wanted = np.asarray(Predictor(finished).model.predict_on_batch(inputs if len(inputs) > 1 else inputs["image"]))
        np.testing.assert_allclose(outputs, wanted, atol=1e-5 * max(1, np.abs(wanted).max()))
    labels, _, outputs = found[1]
    for row, tagged in zip(outputs, Predictor(tagger).tag(TWEETS), strict=True):
        assert [labels[best] for best in row[: len(tagged)].argmax(axis=-1)] == [one.tag for one in tagged]


OWN, SNAKE = "tests.own_activation:bent", "snake(a=2)"
CELLS = [("mlp", SNAKE), ("cnn", "rrelu"), ("cnn", SNAKE), ("cnn", OWN), ("lenet", OWN), ("strided_cnn", "rrelu")]
CELLS += [("alexnet", "rrelu"), ("window_tagger", SNAKE)]


@needs_torch
@pytest.mark.parametrize(("name", "activation"), CELLS)
def test_every_model_goes_out_with_any_activation(name, activation, data, tmp_path):
    """In one format: all are made from the same captured graph."""
    finished = run(tiny(name, data, activation=activation, batch_norm=True), out=tmp_path)
    assert export.export(finished, "torch", tmp_path / "deep/er/out.pt2").path.is_file()
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["out.pt2"]


@pytest.mark.parametrize("name", ["alexnet", *TAGGERS])
def test_inputs_to_compare_with_reach_every_row_and_every_length(name, data):
    experiment = tiny(name, data)
    model, _ = build_network(experiment, load_arrays_of(experiment))
    inputs = random_inputs(model, 9, 6)
    assert {name: x.shape[0] for name, x in inputs.items()} == dict.fromkeys(inputs, 9)
    if name == "alexnet":
        assert inputs["image"].min() == 0 and inputs["image"].max() == 255
        return
    tables = [layer for layer in model.layers if layer.name.endswith("_embedding")]
    assert len(tables) == 4
    for table in tables:
        x = inputs[table.name.removesuffix("_embedding")]
        assert x.min() == 0 and x.max() == table.input_dim - 1 and len(np.unique(x)) > min(table.input_dim, 30) / 2
    ends = [int(np.flatnonzero(row.any(axis=-1))[-1]) + 1 for row in inputs["spelling"]]
    assert ends == [6, 5, 4, 3, 2, 1, 6, 5, 4]
    model(inputs)  # no index is out of range


@needs_torch
@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_file_that_computes_something_else_is_not_handed_over(kind, tmp_path, monkeypatch):
    needs(kind)
    finished = run(small(), out=tmp_path)
    captured, other = network._capture, Predictor(run(small(seed=1), out=tmp_path)).model
    monkeypatch.setattr(network, "_capture", lambda model: captured(other))
    before = sorted(path.name for path in finished.path.iterdir())
    with pytest.raises(KactError, match=r"other outputs than the run's, by .* the file was deleted"):
        export.export(finished, kind)
    assert sorted(path.name for path in finished.path.iterdir()) == before


@needs_torch
def test_a_network_that_the_exporter_cannot_take_is_told(tmp_path, monkeypatch):
    def refuse(model):
        raise RuntimeError("No such operator.\nA page of insides.")

    monkeypatch.setattr(network, "_capture", refuse)
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
def test_what_travels_with_a_tagger(both):
    facts = export.description(Predictor(both[1]))
    inputs = json.loads(facts["kact.inputs"])
    known = Vocabulary.parse(facts["kact.vocabulary"])
    assert {name: one.get("rows", 0) for name, one in inputs.items()} == {
        name: feature.rows for name, feature in known.inputs.items()
    }
    assert inputs["affixes"]["shape"] == ["batch", "time", 7] and inputs["affixes"]["dtype"] == "int32"
    assert all(one["meaning"] for one in inputs.values()) and json.loads(facts["kact.labels"]) == list(TAGS)
    assert "kact.fit" not in facts and "(batch, time, labels)" in facts["kact.outputs"]


@needs_torch
@pytest.mark.parametrize(("kind", "extra"), [("onnx", "export"), ("openvino", "openvino")])
def test_a_missing_package_is_named_with_its_extra(kind, extra, tmp_path, monkeypatch):
    monkeypatch.setattr(network.importlib.util, "find_spec", lambda package: None)
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
