"""`kact inspect` with a figure, and `kact export`, as somebody at a terminal meets them."""

import os

import numpy as np
import pytest
from PIL import Image

from kact import __main__ as command
from kact import backend, plots
from kact.errors import KactError
from kact.experiment import Experiment
from kact.inspection import run as inspection
from kact.predict import Predictor
from kact.tasks import load_task
from kact.train import run

SMALL = Experiment(
    model={"name": "cnn", "filters": [3, 4], "hidden_units": [8]}, epochs=1, train_examples=100, activation="prelu"
)


def kact(*arguments):
    try:
        return command.main([str(argument) for argument in arguments])
    except SystemExit as left:
        return left.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(SMALL, out=tmp_path_factory.mktemp("runs"), diagnose=True)


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return run(Experiment(epochs=1, train_examples=100), out=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def drawn(monkeypatch):
    """Return the arguments of each figure as it was drawn."""
    seen = []
    original = plots.feature_map_sheet

    def noted(*arguments, **keywords):
        seen.append((*arguments, keywords))
        return original(*arguments, **keywords)

    monkeypatch.setattr(plots, "feature_map_sheet", noted)
    return seen


def test_every_figure_is_written_and_its_place_is_said(trained, tmp_path, capsys):
    assert kact("inspect", trained.path, "--kernels", "--curves", "--confusion", "--diagnostics") == 0
    said = capsys.readouterr().out.split()
    names = ["kernels", "curves", "confusion", "diagnostics"]
    assert said == [str(trained.path / "figures" / f"{name}.png") for name in names]
    for path in said:
        with Image.open(path) as image:
            assert image.size[0] > 300
    assert kact("inspect", trained.path, "--curves", "--out", tmp_path / "a" / "b.svg") == 0
    assert (tmp_path / "a" / "b.svg").read_text().lstrip().startswith("<?xml")
    assert kact("inspect", trained.path, "--test", 2, "--format", "svg") == 0
    assert (trained.path / "figures" / "feature-maps.svg").is_file()


def test_feature_maps_of_test_images_come_with_prediction_and_truth(trained, drawn):
    inspection.draw(trained, "feature-maps", test=6, layer="conv1")
    images, maps, captions, keywords = drawn[0]
    stored, labels = load_task("digits").test.take(np.arange(6))
    np.testing.assert_array_equal(images, stored)
    assert maps.shape == (6, 8, 8, 3)
    outputs = np.asarray(Predictor(trained).model.predict_on_batch(stored.astype("float32")))
    for caption, output, truth, right in zip(captions, outputs, labels, keywords["right"], strict=True):
        assert caption.split()[0] == str(output.argmax()) and caption.endswith(f"truth: {truth}")
        assert right == (output.argmax() == truth)


def test_feature_maps_of_files_are_those_that_predict_sees(trained, drawn, tmp_path, capsys):
    paths = []
    for number, mode in enumerate(("RGB", "L", "RGBA")):
        paths.append(tmp_path / f"{number}.png")
        Image.new(mode, (20, 11), 90 if mode == "L" else (200, 30, 90)[: len(mode)]).save(paths[-1])
    assert kact("inspect", trained.path, "--feature-maps", *paths) == 0
    images, maps, captions, keywords = drawn[0]
    predictor = Predictor(trained)
    for path, image, caption in zip(paths, images, captions, strict=True):
        np.testing.assert_array_equal(image, predictor.prepare(path))
        found = predictor.predict([path])[0]
        assert caption == f"{found.label} {found.probability:.2f}"
    assert maps.shape == (3, 4, 4, 4) and "conv2_activation" in keywords["title"]
    assert keywords["right"] == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layer", "conv1"], ["no figure to draw", "--test 10"]),
        (["--out", "a.png"], ["no figure to draw"]),
        (["--curves", "--kernels", "--out", "a.png"], ["several figures"]),
        (["--curves", "--out", "a.pdf"], [".png, .svg", "a.pdf"]),
        (["--curves", "--format", "gif"], ["format", "png, svg", "gif"]),
        (["--test", "-1"], ["test", "at least 1"]),
        (["--test", "1", "--layer", "conv11"], ["layer", "Did you mean 'conv1"]),
        (["--test", "1", "--layer", "dense1"], ["has no maps", "'dense1'"]),
        (["--feature-maps", "none.png"], ["There is no file 'none.png'"]),
    ],
)
def test_bad_input_costs_a_line_or_two(arguments, words, trained, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kact("inspect", trained.path, *arguments) == 2
    printed = capsys.readouterr()
    assert all(word in printed.err for word in words), printed.err
    assert "Traceback" not in printed.err and len(printed.err.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())


def test_what_a_run_does_not_have_is_told(flat, tmp_path):
    with pytest.raises(KactError, match="no convolution"):
        inspection.draw(flat, "feature-maps", test=1)
    with pytest.raises(KactError, match="was not diagnosed"):
        inspection.draw(flat, "diagnostics")
    diverged = run(
        Experiment(epochs=1, train_examples=100, activation="linear", optimizer="sgd", learning_rate=1e30), out=tmp_path
    )
    with pytest.raises(KactError, match="diverged"):
        inspection.draw(diverged, "confusion")


def test_help_teaches(capsys):
    assert kact("inspect", "--help") == 0
    printed = capsys.readouterr().out
    for words in ("--feature-maps IMAGE", "--test", "--layer", "--kernels", "--curves", "kact inspect RUN --test 10"):
        assert words in printed
    assert kact("export", "--help") == 0
    printed = capsys.readouterr().out
    for words in ("--format", "onnx, openvino or torch", "kact export RUN", "metadata_props", "torch.export.load"):
        assert words in printed


def test_export_at_the_terminal(trained, tmp_path, capsys):
    code = kact("export", trained.path, "--format", "torch", "--out", tmp_path / "net.pt2")
    printed = capsys.readouterr()
    if backend.name() == "torch":
        assert code == 0 and (tmp_path / "net.pt2").is_file()
        assert printed.out.startswith(f"{tmp_path / 'net.pt2'}  (run on 12 inputs")
    else:
        assert code == 2 and "KERAS_BACKEND=torch" in printed.err and not list(tmp_path.iterdir())


@pytest.mark.realdata
@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_ten_cifar_images_on_one_sheet(tmp_path, drawn):
    """The figure of study 3b, from a LeNet on the real data."""
    experiment = Experiment(task="cifar10", model="lenet", activation="elu", epochs=1, train_examples=500)
    path = inspection.draw(run(experiment, out=tmp_path), "feature-maps", test=10)
    images, maps, captions, _ = drawn[0]
    assert images.shape == (10, 32, 32, 3) and maps.shape == (10, 10, 10, 16) and len(captions) == 10
    with Image.open(path) as image:
        assert image.size[0] > 1000
