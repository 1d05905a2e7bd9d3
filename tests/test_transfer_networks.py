"""Transfer from networks that others trained: AlexNet and those of keras.applications."""

import keras
import numpy as np
import pytest

from kact.activations import make
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import MLP, build_model
from kact.models.alexnet_weights import LAYERS
from kact.predict import Predictor
from kact.train import run
from kact.transfer import backbones, build_on
from kact.transfer.backbones import load_backbone
from tests.image_sets import make_folder
from tests.transferred import by_layer, numpy, same


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("photographs"), {"red": 12, "green": 12, "blue": 12}, size=(70, 66))


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
