"""Folders of one's own images: found, decoded, cut; whatever is wrong with them is named."""

import logging
import os

import numpy as np
import pytest
from PIL import Image

from kact import __main__ as command
from kact.errors import KactError
from kact.experiment import Experiment
from kact.images import FITS, open_image, to_array
from kact.predict import Predictor
from kact.runs import Run
from kact.tasks import get_task, load_task
from kact.train import run
from tests.image_sets import BROKEN, COLOURS, encoded, make_folder, odd_images

TEN_EACH = dict.fromkeys(COLOURS, 10)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))
    caplog.set_level(logging.WARNING, logger="kact")


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "photographs", TEN_EACH)


def load(folder, options="", **arguments):
    return load_task(f"image_folder{options}", data=str(folder), **arguments)


def counts(split):
    return np.bincount(split.arrays()[1], minlength=3).tolist()


# --- what is found ---


def test_labels_shape_and_normalisation_come_from_the_data(folder):
    data = load(folder, "(image_size=16)")
    assert data.task.labels == ("blue", "green", "red") and data.task.input_shape == (16, 16, 3)
    inputs, labels = data.train.arrays()
    assert np.abs(inputs.mean(axis=(1, 2)) - np.array(list(COLOURS.values()))[labels]).max() < 15
    np.testing.assert_allclose(data.task.mean, inputs.reshape(-1, 3).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.task.std, inputs.reshape(-1, 3).std(axis=0), rtol=1e-12)


def test_splits_are_cut_by_class_and_always_the_same(folder):
    first, again = load(folder, validation_fraction=0.25), load(folder, validation_fraction=0.25)
    assert [counts(split) for split in (first.train, first.validation, first.test)] == [[6] * 3, [2] * 3, [2] * 3]
    assert first.fingerprint == again.fingerprint and np.array_equal(first.train.rows, again.train.rows)
    images = [split.arrays()[0] for split in (first.train, first.validation, first.test)]
    assert len({image.tobytes() for image in np.concatenate(images)}) == 30


@pytest.mark.parametrize("name", ["validation", "val", "valid", "Dev"])
def test_given_splits_are_kept(tmp_path, name):
    for seed, (part, number) in enumerate({"train": 4, name: 2, "test": 3}.items()):
        root = make_folder(tmp_path / "given" / part, dict.fromkeys(COLOURS, number), size=(20 + seed, 20))
    data = load(root.parent, "(image_size=20, fit='stretch')")
    assert [counts(split) for split in (data.train, data.validation, data.test)] == [[4] * 3, [2] * 3, [3] * 3]
    expected = to_array(open_image(tmp_path / "given" / name / "red" / "001.png"), (20, 20, 3), "stretch")
    assert (data.validation.arrays()[0] == expected).all(axis=(1, 2, 3)).sum() == 1
    assert not (data.train.arrays()[0] == expected).all(axis=(1, 2, 3)).any()
    again = load(root.parent, "(image_size=20, fit='stretch')")  # from the cache
    assert np.array_equal(again.validation.rows, data.validation.rows) and again.fingerprint == data.fingerprint


def test_a_given_part_that_lacks_a_class_is_told_of(tmp_path, caplog):
    write(tmp_path, [*(f"train/{name}/{number}.png" for name in "abc" for number in (1, 2)), "test/b/1.png"])
    load(tmp_path, "(image_size=8)")
    assert "test has no images of a, c: its scores say nothing of them." in caplog.text


def test_only_train_and_test_may_be_given(tmp_path):
    for part, number in {"train": 4, "test": 3}.items():
        make_folder(tmp_path / "given" / part, dict.fromkeys(COLOURS, number))
    data = load(tmp_path / "given", validation_fraction=0.25)
    assert [counts(split) for split in (data.train, data.validation, data.test)] == [[3] * 3, [1] * 3, [3] * 3]


def test_a_class_called_train_is_a_class(tmp_path):
    root = make_folder(tmp_path / "vehicles", {"train": 4, "bus": 4}, classes={"train": (1, 2, 3), "bus": (90, 80, 70)})
    assert load(root).task.labels == ("bus", "train")


def test_hidden_files_are_left_out_and_folders_within_a_class_are_not(folder):
    (folder / "red" / ".DS_Store").write_bytes(b"\0")
    (folder / ".git").mkdir()
    (folder / "red" / "more").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "red" / "more" / "one.tiff")
    (folder / "notes.txt").write_text("beside the classes")
    data = load(folder)
    assert sum(counts(split)[2] for split in (data.train, data.validation, data.test)) == 11


def test_another_image_makes_other_data_and_the_cache_serves_the_same(folder, monkeypatch):
    first = load(folder)
    monkeypatch.setattr("kact.tasks.image_files.open_image", lambda path: pytest.fail("decoded again"))
    assert load(folder).fingerprint == first.fingerprint
    monkeypatch.undo()
    Image.new("RGB", (8, 8)).save(folder / "red" / "extra.png")
    assert load(folder).fingerprint != first.fingerprint
    assert load(folder, "(fit='pad')").fingerprint != load(folder, "(fit='crop')").fingerprint


def test_greys(folder):
    assert load(folder, "(image_size=8, channels=1)").train.arrays()[0].shape[1:] == (8, 8, 1)


# --- sizes ---


def test_sizes_are_unified_as_asked():
    halves = Image.new("L", (40, 20))
    halves.paste(255, (20, 0, 40, 20))
    seen = {fit: to_array(halves, (20, 20, 1), fit)[..., 0] for fit in FITS}
    assert (seen["crop"][:, :10] == 0).all() and (seen["crop"][:, 10:] == 255).all()
    assert (seen["pad"][:5] == 0).all() and (seen["pad"][15:] == 0).all() and (seen["pad"][5:15, 11:] == 255).all()
    assert (seen["stretch"][:, :9] == 0).all() and (seen["stretch"][:, 11:] == 255).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 1000)])
def test_any_proportions_fit(fit, size):
    assert to_array(Image.new("RGB", size, "white"), (12, 10, 3), fit).shape == (12, 10, 3)


def test_an_unknown_fit_is_named():
    with pytest.raises(KactError, match="stretch, crop, pad"):
        to_array(Image.new("L", (4, 4)), (4, 4, 1), "squeeze")


# --- odd and broken files ---


@pytest.mark.parametrize("name", odd_images())
def test_odd_images_are_read_as_they_look(folder, name):
    (folder / "red" / name).write_bytes(odd_images()[name])
    data = load(folder, "(image_size=8)")
    assert sum(counts(split)[2] for split in (data.train, data.validation, data.test)) == 11
    read = to_array(open_image(folder / "red" / name), (8, 8, 3), "crop").astype(int)
    everything = np.concatenate([split.arrays()[0] for split in (data.train, data.validation, data.test)])
    assert (everything == read).all(axis=(1, 2, 3)).any()
    if name in ("one pixel.png", "cmyk.jpg", "animated.gif", "turned.jpg"):  # all of them red
        assert (read[..., 0] > read[..., 1] + 50).all() and (read[..., 0] > read[..., 2] + 50).all()
    if name == "sixteen bit.png":
        assert read[4, 0, 0] < 30 and read[4, -1, 0] > 225
    if name == "transparent.webp":
        assert read.min() == 255


def test_an_image_turned_by_exif_stands_upright(tmp_path):
    upright = Image.new("RGB", (30, 20), "white")
    upright.paste((0, 0, 0), (0, 0, 30, 6))  # a dark top
    from tests.image_sets import turned

    (tmp_path / "turned.jpg").write_bytes(turned(upright))
    found = to_array(open_image(tmp_path / "turned.jpg"), (20, 30, 3), "stretch")
    assert found[:4].mean() < 20 and found[8:].mean() > 235


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_and_named(folder, name):
    (folder / "red" / name).write_bytes(BROKEN[name])
    with pytest.raises(KactError, match=f"1 of the files.*red/{name}.*cannot be read as an image") as caught:
        load(folder)
    assert "unreadable='skip'" in caught.value.next_step and len(str(caught.value).splitlines()) == 2


def test_broken_files_are_skipped_and_listed_when_asked(folder, caplog):
    for name, content in BROKEN.items():
        (folder / "red" / name).write_bytes(content)
    data = load(folder, "(unreadable='skip')")
    assert sum(counts(split)[2] for split in (data.train, data.validation, data.test)) == 10
    (record,) = caplog.records
    assert f"{len(BROKEN)} files in '{folder}' skipped" in record.getMessage()
    assert all(f"red/{name}" in record.getMessage() for name in BROKEN)


def test_a_link_to_nowhere_is_refused_or_skipped_like_a_broken_file(folder, caplog):
    link = folder / "red" / "gone.png"
    link.symlink_to(folder.parent / "elsewhere.png")
    with pytest.raises(KactError, match=r"1 of the files.*red/gone\.png.*no file") as caught:
        load(folder)
    assert "unreadable='skip'" in caught.value.next_step and len(str(caught.value).splitlines()) == 2
    without = load(folder, "(unreadable='skip')")
    assert counts(without.train)[2] + counts(without.validation)[2] + counts(without.test)[2] == 10
    assert f"1 file in '{folder}' skipped" in caplog.text and "red/gone.png" in caplog.text
    Image.new("RGB", (8, 8)).save(folder.parent / "elsewhere.png")
    assert load(folder, "(unreadable='skip')").fingerprint != without.fingerprint


def test_skipped_files_are_told_of_again_where_the_cache_serves(folder, caplog, monkeypatch):
    (folder / "red" / "notes.jpg").write_bytes(b"text")
    load(folder, "(unreadable='skip')")
    monkeypatch.setattr("kact.tasks.image_folder.decode", lambda *_, **__: pytest.fail("decoded twice"))
    caplog.clear()
    load(folder, "(unreadable='skip')")
    assert "1 file in" in caplog.text and "red/notes.jpg" in caplog.text


def test_many_broken_files_fit_two_lines(folder):
    for number in range(40):
        (folder / "red" / f"{number}.jpg").write_bytes(b"text")
    with pytest.raises(KactError, match=r"40 of the files.* and 37 more"):
        load(folder)


def test_too_few_are_left_after_skipping(tmp_path):
    root = make_folder(tmp_path / "few", {"red": 3, "blue": 2})
    (root / "blue" / "text.jpg").write_bytes(b"text")
    with pytest.raises(KactError, match=r"class 'blue'.* has 2 images; at least 3"):
        load(root, "(unreadable='skip')")


def write(root, layout):
    for path in layout:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(encoded(Image.new("RGB", (4, 4)), "PNG"))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ([], ["no folder of images", "one folder of images a class"]),
        (["a.png"], ["no folder of images"]),
        (["a/1.png", "a/2.png", "a/3.png"], ["only the class 'a'", "two classes"]),
        (["a/1.png", "a/2.png", "a/3.png", "b/1.png"], ["class 'b'", "has 1 image;", "at least 3"]),
        (["train/a/1.png", "train/b/1.png"], ["class 'a'", "at least 3"]),
        (["train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png"], ["'b'", "1 image;", "at least 2"]),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "test/c/1.png"], ["'c'", "in test and not in train"]),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "dev/a/1.png"], ["dev, train, val", "one folder each"]),
        (["test/a/1.png", "val/b/1.png"], ["test, val", "`train` among them"]),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "test/.keep"], ["test folder", "holds no images"]),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, layout, words):
    root = tmp_path / "made"
    root.mkdir()
    write(root, layout)
    with pytest.raises(KactError) as caught:
        load(root)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert str(root) in str(caught.value) and len(str(caught.value).splitlines()) == 2


def test_an_empty_class_is_named(folder):
    (folder / "yellow").mkdir()
    with pytest.raises(KactError, match=r"class 'yellow'.* has 0 images"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(KactError, match=r"'data'.*a folder that exists.*nowhere"):
        get_task("image_folder", str(tmp_path / "nowhere"))


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    monkeypatch.setattr("pathlib.Path.iterdir", lambda self: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with pytest.raises(KactError, match="Cannot read the folder"):
        load(folder)


# --- training ---


def test_training_predicting_and_the_folder_gone(folder, tmp_path, capsys):
    flags = ["--task", "image_folder(image_size=16)", "--data", str(folder), "--filters", "4", "--hidden-units", "8"]
    out = tmp_path / "runs"
    assert command.main(["train", *flags, "--epochs", "8", "--batch-size", "8", "--learning-rate", "0.01",
                         "--out", str(out), "--device", "cpu"]) == 0  # fmt: skip
    capsys.readouterr()
    finished = Run.load(next(out.iterdir()))
    assert finished.experiment.data == str(folder) and finished.metrics["test"]["accuracy"] > 0.8
    image = str(folder / "red" / "000.png")
    os.rename(folder, tmp_path / "elsewhere")
    predictor = Predictor(finished)
    assert predictor.task.labels == ("blue", "green", "red") and predictor.task.fit == "crop"
    assert predictor.predict([image.replace("photographs", "elsewhere")])[0].label == "red"


def test_what_is_predicted_is_seen_as_in_training(folder, tmp_path):
    experiment = Experiment(
        task="image_folder(image_size=10, fit='pad')", data=str(folder), model="mlp", epochs=1, batch_size=8
    )
    predictor = Predictor(run(experiment, out=tmp_path / "runs"))
    stored = load_task(experiment.task, data=experiment.data).train.inputs
    seen = predictor.prepare(folder / "green" / "004.png")
    assert (stored == seen).all(axis=(1, 2, 3)).sum() == 1 or (
        load_task(experiment.task, data=experiment.data).test.inputs == seen
    ).all(axis=(1, 2, 3)).sum() == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--task", "image_folder"], ["data of your own", "--data"]),
        (["--data", "here"], ["digits", "takes no 'data'"]),
        (["--task", "image_folder", "--data", "nowhere"], ["a folder that exists", "nowhere"]),
        (["--task", "image_folder(size=3)", "--data", "nowhere"], ["size", "image_size"]),
    ],
)
def test_bad_folders_at_the_command_line_cost_two_lines(flags, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["train", *flags]) == 2
    printed = capsys.readouterr().err
    assert all(word in printed for word in words) and len(printed.strip().splitlines()) <= 2
