"""Transfer: a backbone's layers under a new head or a new activation, frozen or trained through."""

import shutil

import keras
import numpy as np
import pytest

from kact import __main__ as command
from kact import backbones
from kact.activations import make
from kact.backbones import load_backbone
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import MLP, build_model
from kact.models.alexnet_weights import LAYERS
from kact.predict import Predictor
from kact.runs import Run
from kact.tasks import get_task
from kact.train import run
from kact.transfer import build_on, starting_model
from tests.image_sets import make_folder

SIZE = {"name": "strided_cnn", "filters": [4, 6, 8], "first_kernel_size": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network trained on digits, with batch norm."""
    experiment = Experiment(model=SIZE, batch_norm=True, epochs=2, learning_rate=0.01, train_examples=300)
    return run(experiment, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("photographs"), {"red": 12, "green": 12, "blue": 12}, size=(70, 66))


def moved(trained, **changes):
    settings = {"epochs": 2, "train_examples": 100, "learning_rate": 0.01, "backbone": str(trained.path)} | changes
    return Experiment(**settings)


def numpy(value):
    return np.array(keras.ops.convert_to_numpy(value))


def weights(model):
    return {w.path.split("/", 1)[-1] if "/" in w.path else w.path: numpy(w) for w in model.weights}


def by_layer(model):
    return {layer.name: [numpy(w) for w in layer.weights] for layer in model.layers if layer.weights}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


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


# --- AlexNet ---


@pytest.fixture
def narrow_alexnet(monkeypatch):
    """AlexNet with a few maps a layer stands in for the real one, whose weights are not to be had offline."""
    sizes = {"name": "alexnet", "filters": [4, 5, 6, 7, 8], "hidden_units": [20, 10]}
    source = build_model(sizes, (63, 63, 3), 7, seed=9)
    given = {name: [numpy(w) for w in source.get_layer(name).weights] for name in LAYERS}
    real = backbones.build_model
    monkeypatch.setattr(
        backbones, "build_model", lambda name, *a, **k: real(sizes if name == "alexnet" else name, *a, **k)
    )
    monkeypatch.setattr(backbones, "imagenet_weights", lambda: given)
    return sizes, given


def test_alexnet_is_trained_with_its_imagenet_weights(narrow_alexnet, photographs, tmp_path):
    _, given = narrow_alexnet
    experiment = Experiment(
        task="image_folder(image_size=63)", data=str(photographs), backbone="alexnet-imagenet", freeze=True,
        epochs=2, batch_size=8, learning_rate=0.01, keep="last",
    )  # fmt: skip
    finished = run(experiment, out=tmp_path)
    after = by_layer(Predictor(finished).model)
    assert all(same(after[name], given[name]) for name in given if name != "logits")
    assert after["logits"][0].shape == (10, 3)
    normalize = Predictor(finished).model.get_layer("normalize")
    black = numpy(normalize(np.zeros((1, 1, 1, 3), "float32"))).ravel()
    np.testing.assert_allclose(black, [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-5)


def test_alexnet_with_another_activation(narrow_alexnet):
    sizes, given = narrow_alexnet
    experiment = Experiment(task="cifar10", model=sizes, activation="mish", backbone="alexnet-imagenet")
    model = build_on(
        load_backbone("alexnet-imagenet", (64, 64, 3)), experiment.model, 10, activation=experiment.activation
    )
    assert all(same(by_layer(model)[name], given[name]) for name in given if name != "logits")
    assert type(model.get_layer("dense2_activation")) is type(make("mish"))
    np.testing.assert_allclose(model.get_layer("normalize").scale, 1 / (255 * np.array([0.229, 0.224, 0.225])))


def test_an_untrained_alexnet_is_the_same_for_every_seed(narrow_alexnet):
    first, second = (load_backbone("alexnet-random", (63, 63, 3)) for _ in range(2))
    trained = load_backbone("alexnet-imagenet", (63, 63, 3))
    assert first.sha256 == second.sha256 != trained.sha256
    assert [w.shape for w in first.network.weights] == [w.shape for w in trained.network.weights]


# --- keras.applications ---


@pytest.fixture
def without_download(monkeypatch):
    """Let a network's weights come from a made file, as Keras would have fetched it."""

    def build(name, side):
        network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(side, side, 3))
        for w in network.weights:
            if w.path.endswith(("gamma", "beta", "moving_mean")):
                w.assign(w + 0.1)
        return network

    def serve(name, side, path):
        build(name, side).save_weights(path)
        module = __import__(getattr(keras.applications, name).__module__, fromlist=["file_utils"])
        monkeypatch.setattr(module.file_utils, "get_file", lambda *a, **k: str(path))

    return serve


@pytest.mark.parametrize("name", ["mobilenet", "VGG16"])
def test_a_network_of_keras_applications(name, without_download, tmp_path):
    kind = {"mobilenet": "MobileNet", "VGG16": "VGG16"}[name]
    without_download(kind, 32, tmp_path / "made.weights.h5")
    backbone = load_backbone(name, (32, 32, 3))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    module = __import__(getattr(keras.applications, kind).__module__, fromlist=["preprocess_input"])
    inner = next(layer for layer in backbone.network.layers if isinstance(layer, keras.Model))
    expected = numpy(inner(module.preprocess_input(images.copy())))
    np.testing.assert_allclose(numpy(backbone.network(images)), expected, atol=1e-5 * np.abs(expected).max())
    model = build_on(backbone, MLP(hidden_units=()), 3, freeze=True)
    assert len(model.trainable_variables) == 2
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(numpy(again(images)), numpy(model(images)), atol=1e-5)


def test_keras_own_refusals_are_told(monkeypatch):
    with pytest.raises(KactError, match="16x16x3: Input size must be at least 32x32"):
        load_backbone("MobileNetV2", (16, 16, 3))

    def no_network(*arguments, **settings):
        raise Exception("URL fetch failure on https://storage.googleapis.com/: None -- unreachable")

    monkeypatch.setattr(keras.applications, "VGG16", no_network)
    with pytest.raises(KactError, match=r"cannot give VGG16.*URL fetch failure"):
        load_backbone("vgg16", (32, 32, 3))


# --- what cannot be a backbone ---


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("alexnet-imagnet", (64, 64, 3), "Did you mean 'alexnet-imagenet'"),
        ("resnet5", (64, 64, 3), "Did you mean 'ResNet50'"),
        ("runs/none", (64, 64, 3), "alexnet-random, a run's directory or a name of keras.applications"),
        ("alexnet-imagenet", (64, 64, 1), "3 channels; the task's have 1"),
        ("VGG16", (64, 64, 1), "3 channels; the task's have 1"),
    ],
)
def test_names_that_are_no_backbone(name, shape, words):
    with pytest.raises(KactError, match=words):
        load_backbone(name, shape)


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
