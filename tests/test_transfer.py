"""Transfer: a backbone's layers under a new head or a new activation, frozen or trained through."""

import shutil

import keras
import numpy as np
import pytest

from kact import __main__ as command
from kact.activations import make
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import MLP
from kact.predict import Predictor
from kact.runs import Run
from kact.tasks import get_task
from kact.train import run
from kact.transfer import starting_model
from kact.transfer.backbones import load_backbone
from tests.transferred import by_layer, numpy, same

SIZE = {"name": "strided_cnn", "filters": [4, 6, 8], "first_kernel_size": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network trained on digits, with batch norm."""
    experiment = Experiment(model=SIZE, batch_norm=True, epochs=2, learning_rate=0.01, train_examples=300)
    return run(experiment, out=tmp_path_factory.mktemp("runs"))


def moved(trained, **changes):
    settings = {"epochs": 2, "train_examples": 100, "learning_rate": 0.01, "backbone": str(trained.path)} | changes
    return Experiment(**settings)


def weights(model):
    return {w.path.split("/", 1)[-1] if "/" in w.path else w.path: numpy(w) for w in model.weights}


# --- the directory of a run ---


def test_a_run_gives_its_layers_up_to_the_last_hidden_ones(trained):
    backbone = load_backbone(str(trained.path), (8, 8, 1))
    whole = Predictor(trained).model
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype("float32")
    features, logits = numpy(backbone.network(images)), numpy(whole(images))
    kernel, bias = (numpy(w) for w in whole.get_layer("logits").weights)
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)
    assert "logits" not in by_layer(backbone.network) and len(backbone.sha256) == 64


def test_a_frozen_backbone_stays_as_it_was_with_its_batch_statistics(trained, tmp_path):
    before = by_layer(load_backbone(str(trained.path), (8, 8, 1)).network)
    finished = run(moved(trained, freeze=True, keep="last"), out=tmp_path)
    after = by_layer(Predictor(finished).model)
    assert {name for name in after if name not in before} == {"logits"}
    assert all(same(before[name], after[name]) for name in before)
    assert finished.history[1]["train_loss"] < finished.history[0]["train_loss"]


def test_training_through_changes_every_layer(trained, tmp_path):
    before = by_layer(load_backbone(str(trained.path), (8, 8, 1)).network)
    after = by_layer(Predictor(run(moved(trained, keep="last"), out=tmp_path)).model)
    assert not any(same(before[name], after[name]) for name in before)  # a bias before batch norm has no gradient


def test_it_starts_from_what_it_was_given(trained):
    """Before any step: the backbone's features, whatever the seed, under a head drawn from the seed."""
    task = get_task("digits")
    one, _ = starting_model(moved(trained, seed=1), task)
    other, _ = starting_model(moved(trained, seed=2), task)
    given = by_layer(load_backbone(str(trained.path), (8, 8, 1)).network)
    for model in (one, other):
        assert all(same(by_layer(model)[name], given[name]) for name in given)
    assert not same(by_layer(one)["logits"], by_layer(other)["logits"])


def test_a_head_has_the_activation_under_study(trained):
    head = moved(trained, model=MLP(hidden_units=(5, 4)), activation="prelu", dropout=0.2, batch_norm=True, freeze=True)
    model, _ = starting_model(head, get_task("digits"))
    names = [layer.name for layer in model.layers]
    first = names.index("head_dense1")
    assert names[first:] == [
        f"head_dense{i}{part}" for i in (1, 2) for part in ("", "_norm", "_activation", "_dropout")
    ] + ["logits"]
    assert type(model.get_layer("head_dense1_activation")) is type(make("prelu"))
    trainable = {w.path.split("/")[0] for w in model.trainable_variables}
    assert all(name.startswith(("head_", "logits")) for name in trainable) and len(trainable) > 4


def test_a_transferred_run_is_a_backbone_itself(trained, tmp_path):
    once = run(moved(trained, model=MLP(hidden_units=(6,)), freeze=True), out=tmp_path)
    twice = run(moved(once, model=MLP(hidden_units=(5,))), out=tmp_path)
    names = [layer["name"] for layer in twice.metrics["model"]["layers"]]
    assert "head_dense1" in names and "head_head_dense1" in names
    assert all(layer.trainable for layer in Predictor(twice).model.layers)  # it was asked for no freezing


def test_another_size_of_images_fits_where_the_layers_do(trained, tmp_path):
    resized = load_backbone(str(trained.path), (6, 7, 1))  # 8, 4, 2, 1 pixels a side become 6, 3, 2, 1
    original = load_backbone(str(trained.path), (8, 8, 1))
    assert resized.sha256 == original.sha256 and resized.network.input_shape == (None, 6, 7, 1)
    dense = run(Experiment(epochs=1, train_examples=100), out=tmp_path)
    for given, shape, words in ((dense, (9, 9, 1), "8x8x1.*9x9x1"), (trained, (8, 8, 3), "8x8x1.*8x8x3")):
        with pytest.raises(KactError, match=words):
            load_backbone(str(given.path), shape)


def test_the_weights_are_known_by_their_digest(trained, tmp_path):
    finished = run(moved(trained, epochs=1), out=tmp_path)
    noted = finished.metrics["provenance"]["backbone"]
    assert noted == load_backbone(str(trained.path), (8, 8, 1)).sha256
    other = run(trained.experiment.replace(seed=5, epochs=1), out=tmp_path / "other")
    assert load_backbone(str(other.path), (8, 8, 1)).sha256 != noted
    assert run(moved(trained).replace(backbone=None), out=tmp_path).metrics["provenance"]["backbone"] is None


def test_a_transferred_run_goes_on_and_ends_as_if_never_stopped(trained, tmp_path):
    experiment = moved(trained, freeze=True, dropout=0.2, model=MLP(hidden_units=(6,)), epochs=3)
    straight = run(experiment, out=tmp_path / "straight")

    class Stop:
        def started(self, *arguments):
            pass

        def batch_done(self, done, total):
            pass

        def epoch_done(self, row, epochs, seconds):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment, out=tmp_path / "stopped", progress=Stop())
    again = run(experiment, out=tmp_path / "stopped")
    assert again.history == straight.history
    assert all(
        same(a, b) for a, b in zip(*(by_layer(Predictor(r).model).values() for r in (straight, again)), strict=True)
    )


def test_the_run_needs_its_backbone_no_more(trained, tmp_path):
    """Gone before training ends or after it: what is finished is saved, and predicts."""
    copy = shutil.copytree(trained.path, tmp_path / "copy")

    class RemoveIt:
        def started(self, *arguments):
            shutil.rmtree(copy)

        def batch_done(self, done, total):
            pass

        def epoch_done(self, row, epochs, seconds):
            pass

    finished = run(moved(trained, backbone=str(copy)), out=tmp_path / "runs", progress=RemoveIt())
    image = np.zeros((1, 8, 8, 1), "float32")
    assert np.isfinite(np.asarray(Predictor(finished).model.predict_on_batch(image))).all()


# --- the same network with another activation ---


def test_the_same_network_with_another_activation_starts_from_its_weights(trained):
    task = get_task("digits")
    own, _ = starting_model(moved(trained, model=SIZE, batch_norm=True), task)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype("float32")
    features = keras.Model(own.inputs[0], own.get_layer("logits").input)
    expected = numpy(load_backbone(str(trained.path), (8, 8, 1)).network(images))
    np.testing.assert_allclose(numpy(features(images)), expected, atol=1e-5)
    swapped, _ = starting_model(moved(trained, model=SIZE, batch_norm=True, activation="prelu", freeze=True), task)
    given = by_layer(load_backbone(str(trained.path), (8, 8, 1)).network)
    assert all(same(by_layer(swapped)[name], given[name]) for name in given)
    left = {w.path.split("/")[0] for w in swapped.trainable_variables}
    assert left == {"logits", "conv1_activation", "conv2_activation", "conv3_activation"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {**SIZE, "filters": [4, 6]}, "batch_norm": True}, "'(logits|conv3.*)' differs"),
        ({"model": {**SIZE, "filters": [4, 6, 9]}, "batch_norm": True}, "'conv3' differs"),
        ({"model": SIZE}, "'conv1_norm' differs in shape or is missing"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(trained, changes, words):
    with pytest.raises(KactError, match=words):
        starting_model(moved(trained, **changes), get_task("digits"))


# --- what cannot be a backbone ---


def test_a_folder_without_a_finished_run(trained, tmp_path):
    with pytest.raises(KactError, match=r"holds no experiment\.toml"):
        load_backbone(str(tmp_path), (8, 8, 1))
    copy = shutil.copytree(trained.path, tmp_path / "copy")
    (copy / "model.keras").write_bytes(b"cut")
    with pytest.raises(KactError, match="missing or damaged"):
        load_backbone(str(copy), (8, 8, 1))
    (copy / "metrics.json").unlink()
    with pytest.raises(KactError, match="is not finished"):
        load_backbone(str(copy), (8, 8, 1))


def test_at_the_command_line(trained, tmp_path, capsys):
    flags = ["--backbone", str(trained.path), "--freeze", "--epochs", "1", "--train-examples", "100"]
    assert command.main(["train", *flags, "--out", str(tmp_path / "runs")]) == 0
    assert Run.load(next((tmp_path / "runs").iterdir())).experiment.model == MLP(hidden_units=())
    head = ["--hidden-units", "7", "--activation", "mish", "--out", str(tmp_path / "head")]
    assert command.main(["train", *flags, *head]) == 0
    assert Run.load(next((tmp_path / "head").iterdir())).experiment.model == MLP(hidden_units=(7,))
    capsys.readouterr()
    assert command.main(["train", "--backbone", "alexnet", "--out", str(tmp_path / "none")]) == 2
    printed = capsys.readouterr().err
    assert "Did you mean 'alexnet-imagenet'" in printed and "Traceback" not in printed
    assert not (tmp_path / "none").exists()
