"""Predictor: any image in, labels with probabilities out; anything else named."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kact.errors import KactError
from kact.experiment import Experiment
from kact.predict import Predictor, open_image
from kact.tasks import load_task
from kact.train import run


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    experiment = Experiment(epochs=8, learning_rate=0.005)
    return Predictor(run(experiment, out=tmp_path_factory.mktemp("runs")))


def as_image(stored):
    return Image.fromarray(stored[..., 0])


def test_the_test_images_as_files_score_as_the_run_says(predictor, tmp_path):
    inputs, labels = load_task("digits").test.arrays()
    paths = [tmp_path / f"{i}.png" for i in range(len(inputs))]
    for path, stored in zip(paths, inputs, strict=True):
        as_image(stored).save(path)
    found = predictor.predict(paths)
    right = np.mean([one.label == str(label) for one, label in zip(found, labels, strict=True)])
    assert right == pytest.approx(predictor.run.metrics["test"]["accuracy"], abs=0.01)
    for one in found:
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert list(one.probabilities.values()) == sorted(one.probabilities.values(), reverse=True)
        assert one.probability == one.probabilities[one.label] == max(one.probabilities.values())


def test_no_images_no_predictions(predictor):
    assert predictor.predict([]) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I", "I;16", "F"])
def test_any_mode_is_read(predictor, mode):
    grey = Image.fromarray(np.tile(np.arange(0, 256, 16, dtype="uint8"), (16, 1)))
    image = grey.convert("RGB").convert(mode) if mode in ("HSV", "LAB", "YCbCr", "CMYK") else grey.convert(mode)
    seen = predictor.prepare(image)
    assert seen.shape == (8, 8, 1) and seen.dtype == np.float32
    assert seen.min() >= 0 and seen.max() <= 255
    assert (np.diff(seen[0, :, 0]) >= 0).mean() > 0.8


def test_sixteen_bits_are_brought_to_eight(predictor):
    wide = Image.fromarray(np.full((8, 8), 65535, "uint16"))
    assert predictor.prepare(wide).max() == pytest.approx(255)
    dark = Image.fromarray(np.full((8, 8), 250, "uint16"))
    assert predictor.prepare(dark).max() <= 1  # and not as if these were 8 of 8 bits
    half = Image.fromarray(np.full((8, 8), 0.5, "float32"))
    assert predictor.prepare(half).max() == pytest.approx(127, abs=1)


def test_many_images_go_through_the_network_in_parts(predictor, monkeypatch):
    sizes, whole = [], predictor.model.predict_on_batch
    monkeypatch.setattr(predictor.model, "predict_on_batch", lambda batch: sizes.append(len(batch)) or whole(batch))
    black, white = Image.new("L", (8, 8)), Image.new("L", (8, 8), "white")
    found = predictor.outputs([black] * 299 + [white])
    assert sizes == [256, 44] and found.shape == (300, 10)
    np.testing.assert_allclose(found[[0, -1]], predictor.outputs([black, white]), rtol=1e-4, atol=1e-5)


def test_transparent_is_white(predictor):
    assert predictor.prepare(Image.new("RGBA", (8, 8), (0, 0, 0, 0))).min() == pytest.approx(255)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2)])
def test_any_size_is_read(predictor, size):
    assert predictor.prepare(Image.new("L", size)).shape == (8, 8, 1)


def test_an_image_turned_by_exif_is_turned_back(tmp_path):
    image = Image.new("L", (20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert open_image(tmp_path / "turned.jpg").size == (10, 20)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (8, 8), grey) for grey in (200, 10)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(open_image(tmp_path / "moving.gif").convert("L")).mean() == pytest.approx(200, abs=2)


def png_that_claims(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.png", b"", ["empty.png", "cannot be read as an image"]),
        ("text.jpg", b"hello, this is no picture", ["text.jpg", "cannot be read as an image"]),
        ("bomb.png", png_that_claims(20_000, 20_000), ["bomb.png", "64,000,000"]),
        ("cut.png", png_that_claims(300, 300), ["cut.png", "cannot be read as an image"]),
    ],
)
def test_what_is_no_image_is_named(predictor, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KactError) as caught:
        predictor.predict([tmp_path / name])
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_file_and_a_folder_are_named(predictor, tmp_path):
    with pytest.raises(KactError, match="There is no file"):
        predictor.predict([tmp_path / "none.png"])
    with pytest.raises(KactError, match="directory"):
        predictor.predict([tmp_path])


def test_only_the_formats_that_were_named_are_read(tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.eps")
    assert open_image(tmp_path / "a.png", formats=["PNG"]).size == (4, 4)
    for name in ("a.png", "a.eps"):
        with pytest.raises(KactError, match="cannot be read"):
            open_image(tmp_path / name, formats=["GIF"])


def test_a_lower_limit_of_pixels_holds(tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png", largest_pixels=600).size == (30, 20)
    with pytest.raises(KactError, match="at most 599"):
        open_image(tmp_path / "a.png", largest_pixels=599)


def test_outputs_are_what_the_probabilities_are_made_of(predictor):
    image = as_image(load_task("digits").test.arrays()[0][3])
    raw, said = predictor.outputs([image, image]), predictor.predict([image])[0]
    assert raw.shape == (2, 10) and raw[0] == pytest.approx(
        raw[1], abs=1e-5
    )  # rows of a batch may be added up otherwise
    by_hand = np.exp(raw[0]) / np.exp(raw[0]).sum()
    assert {label: by_hand[int(label)] for label in said.probabilities} == pytest.approx(said.probabilities, abs=1e-5)


def test_feature_maps_are_those_of_the_layer(predictor):
    from kact.diagnostics.feature_maps import feature_maps

    images = [as_image(stored) for stored in load_task("digits").test.arrays()[0][:3]]
    name, maps = predictor.feature_maps(images, "dense1_activation")
    prepared = np.stack([predictor.prepare(image) for image in images])
    np.testing.assert_allclose(maps, feature_maps(predictor.model, prepared, name), atol=1e-6)
    assert np.array_equal(predictor.feature_maps(images[:1], name)[1], predictor.feature_maps(images[:1], name)[1])
    with pytest.raises(KactError, match="no convolution"):
        predictor.feature_maps(images)
