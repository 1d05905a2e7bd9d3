"""Model files of strangers, wherever kact loads models: none runs, is unpacked elsewhere or fills the memory."""

import json
import os
import shutil
import warnings
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from demo.models import Catalogue
from kact import __main__ as command
from kact.errors import KactError
from kact.experiment import Experiment
from kact.model_file import read_model
from kact.predict import Predictor
from kact.runs.checkpoint import Checkpoint
from kact.train import run as train
from kact.transfer.backbones import load_backbone
from tests import model_files
from tests.model_files import EVIL, bomb, copied_run, evil_run, sound

pytestmark = pytest.mark.any_backend


def told(arguments, capsys):
    """Run a command that must refuse its input, and return what it says."""
    assert command.main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("kact: ") and "Traceback" not in said and len(said.splitlines()) <= 2
    return said


def test_what_kact_wrote_is_read(tmp_path):
    run = copied_run(tmp_path, sound().items())
    assert read_model(run / "model.keras").count_params() == Predictor(run).run.metrics["model"]["parameters"]


@pytest.mark.parametrize("name", EVIL)
def test_wherever_a_model_is_loaded_it_is_refused_and_nothing_is_written(name, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's, of a name that is there twice
        run, word = evil_run(tmp_path, name)
    before = sorted(tmp_path.rglob("*"))
    picture = tmp_path.parent / "picture.png"
    from PIL import Image

    Image.new("L", (8, 8)).save(picture)
    assert word in told(["predict", run, picture], capsys)
    assert word in told(["inspect", run, "--kernels"], capsys)
    assert word in told(["inspect", run, "--feature-maps", picture], capsys)
    assert word in told(["export", run, "--format", "torch"], capsys)
    with pytest.raises(KactError, match=r"cannot be read as a model|nobody named"):
        load_backbone(str(run), (8, 8, 1))
    entry = next(iter(Catalogue([tmp_path]).entries.values()))
    with pytest.raises(KactError, match="cannot be used"):
        entry.predictor()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_bomb_is_not_unpacked(tmp_path, capsys):
    run = bomb(tmp_path)
    assert (run / "model.keras").stat().st_size < 1 << 20
    Image.new("L", (8, 8)).save(tmp_path / "picture.png")
    assert "says that it unpacks to 209,7" in told(["predict", run, tmp_path / "picture.png"], capsys)


def test_code_in_a_model_does_not_run(tmp_path):
    mark = tmp_path / "it-ran"
    inputs = keras.Input((8, 8, 1))
    path = str(mark)
    outputs = keras.layers.Lambda(lambda x, path=path: (open(path, "w").close(), x)[1])(inputs)
    model = keras.Model(inputs, outputs)
    mark.unlink(missing_ok=True)  # which the line before made
    model.save(tmp_path / "model.keras")
    with pytest.raises(KactError, match=r"code of its own \(a layer Lambda\)"):
        read_model(tmp_path / "model.keras")
    assert not mark.exists()


def test_what_is_no_archive_is_named(tmp_path):
    for content in (b"", b"PK", b"hello", model_files.RUN.joinpath("model.keras").read_bytes()[:5000]):
        (tmp_path / "model.keras").write_bytes(content)
        with pytest.raises(KactError, match=r"model\.keras' cannot be read as a model.*zip"):
            read_model(tmp_path / "model.keras")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(KactError, match="Is a directory"):
        read_model(tmp_path / "folder.keras")


@pytest.mark.parametrize(("shape", "classes"), [((16, 16, 1), 10), ((8, 8, 3), 10), ((8, 8, 1), 7), ((8, 8, 1), 12)])
def test_a_model_of_another_run_is_not_taken_for_this_ones(shape, classes, tmp_path):
    run = copied_run(tmp_path, sound().items())
    inputs = keras.Input(shape, name="image")
    keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(inputs))).save(run / "model.keras")
    model_files.noted(run)
    with pytest.raises(KactError, match="is not of this run"):
        _ = Predictor(run).model


def test_a_tagger_of_another_vocabulary_is_not_taken_for_this_ones(tmp_path):
    from kact.storage.files import sha256
    from kact.text.vocabulary import Vocabulary

    run = tmp_path / "run"
    shutil.copytree(model_files.BOX / "tweets-relu", run)
    known = Vocabulary.load(run / "vocabulary.json")
    known.words |= {f"word{i}": 1 for i in range(9)}
    known.save(run / "vocabulary.json")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("sha256", None)
    metrics["provenance"]["files"]["vocabulary.json"] = sha256(run / "vocabulary.json")
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(KactError, match="is not of this run"):
        Predictor(run).tag(["word8"])


def checkpoint(path, arrays=(), **facts):
    """Write a checkpoint with a right checksum and whatever is given in it."""
    import hashlib
    import io

    sound = {"backend": "torch", "engine": "auto", "step": {}, "history": [], "test_curve": [], "epoch_seconds": [],
             "best_epoch": 0, **facts}  # fmt: skip
    buffer = io.BytesIO()
    np.savez(buffer, **{"facts": np.frombuffer(json.dumps(sound).encode(), np.uint8), **dict(arrays)})
    path.write_bytes(buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest())


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("it-ran",))


@pytest.mark.parametrize(
    ("arrays", "facts", "word"),
    [
        ({"weights.0": np.array([Code()], object)}, {}, "is damaged"),
        ({"facts": np.zeros(3, np.uint8)}, {}, "is damaged"),
        ({"weights.0": np.zeros((3, 3), np.float32)}, {}, "do not fit"),
        ({"other.0": np.zeros(3)}, {}, "is damaged"),
        ({}, {"history": "epochs"}, "is damaged"),
        ({}, {"best_epoch": None}, "is damaged"),
        ({}, {"strange": 1}, "is damaged"),
    ],
)
def test_a_made_up_checkpoint_is_not_gone_on_from(arrays, facts, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(epochs=1, train_examples=64)
    path = tmp_path / experiment.label / "checkpoint.npz"
    path.parent.mkdir()
    checkpoint(path, arrays, **facts)
    before = path.read_bytes()
    with pytest.raises(KactError, match=word):
        train(experiment, out=tmp_path)
    assert not (tmp_path / "it-ran").exists() and path.read_bytes() == before
    checkpoint(path)
    assert Checkpoint.load(path).history == []


def test_a_model_file_is_a_plain_zip_of_what_keras_writes(tmp_path):
    """What the size of members is held to: Keras packs nothing."""
    with zipfile.ZipFile(model_files.RUN / "model.keras") as archive:
        assert all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())
