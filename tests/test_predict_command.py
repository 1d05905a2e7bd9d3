"""`kact predict`: labels of files and of the task's test examples, for a reader or a program."""

import json

import numpy as np
import pytest

from kact import __main__ as command
from kact.experiment import Experiment
from kact.predict import Predictor
from kact.tasks import load_task
from kact.train import run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(Experiment(epochs=1, train_examples=200), out=tmp_path_factory.mktemp("runs")).path


def predict(*arguments):
    return command.main(["predict", *map(str, arguments)])


def test_predict_prints_words_or_json(trained, tmp_path, capsys):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert predict(trained, tmp_path / "a.png", tmp_path / "a.png", "--top", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"{tmp_path / 'a.png'}: ") and lines[0].count("0.") == 2
    assert predict(trained, tmp_path / "a.png", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"image", "label", "probabilities"} and len(found["probabilities"]) == 10


def test_predict_labels_test_images_beside_their_true_labels(trained, capsys):
    shown = np.argmax(Predictor(trained).model.predict_on_batch(load_task("digits").test.take(range(60))[0]), axis=-1)
    truths = load_task("digits").test.take(range(60))[1]
    assert predict(trained, "--test", "60", "--top", "1") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 60 and last == f"{np.sum(shown == truths)} of 60 right"
    for number, (line, found, truth) in enumerate(zip(lines, shown, truths, strict=True)):
        verdict = "right" if found == truth else f"wrong: it is {truth}"
        assert line.startswith(f"test {number}: {found} (") and line.endswith(verdict)
    assert {"right" in line for line in lines} == {True, False}  # after one epoch it is not always right
    assert predict(trained, "--test", "2", "--json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["truth"] for record in records] == [str(truth) for truth in truths[:2]]
    assert predict(trained, "--text", "hi", "--test", "2") == 2
    assert "tag words" in (said := capsys.readouterr().err) and "labels images" in said
    assert predict(trained, "--test", "-1") == 2 and "at least 1" in capsys.readouterr().err


def test_predict_takes_a_folder_of_images(trained, tmp_path, capsys):
    from PIL import Image

    inside = tmp_path / "more"
    inside.mkdir()
    assert predict(trained, tmp_path) == 2
    assert f"no image in the folder '{tmp_path}'" in capsys.readouterr().err
    for place in (inside / "c.PNG", tmp_path / "b.png", tmp_path / ".hidden.png"):
        Image.new("L", (8, 8)).save(place)
    (tmp_path / "notes.txt").write_text("not an image")
    assert predict(trained, tmp_path) == 0
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "b.png"),
        str(inside / "c.PNG"),
    ]
    inside.rename(tmp_path / "3")  # which is a label of the digits
    assert predict(trained, tmp_path) == 0 and predict(trained, tmp_path, tmp_path / "3") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " right" in line or "wrong: it is 3" in line]
    assert lines[0].startswith(str(tmp_path / "3" / "c.PNG"))  # alone it is not summed up
    assert len(lines) == 4 and lines[-1] in ("0 of 2 right", "2 of 2 right")
    assert predict(trained, tmp_path / "none") == 2 and "of a folder of images" in capsys.readouterr().err


def test_a_score_on_what_a_run_learned_from_is_called_no_test(tmp_path, capsys):
    from tests.image_sets import make_folder

    photos = make_folder(tmp_path / "photos", {"red": 8, "blue": 8})
    task = "image_folder(image_size=8)"
    finished = run(Experiment(task=task, data=str(photos), model="mlp", epochs=1), out=tmp_path / "runs")
    assert predict(finished.path, photos) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith(f"This is no test: 16 of them lie in '{photos}'")
    assert f"accuracy {finished.metrics['test']['accuracy']:.4f}" in last
    elsewhere = make_folder(tmp_path / "more", {"red": 2, "blue": 2})
    assert predict(finished.path, elsewhere) == 0 and "no test" not in capsys.readouterr().out
    assert predict(finished.path, "--test", "2") == 0
    (photos / "red" / "000.png").unlink()
    assert predict(finished.path, "--test", "2") == 2
    assert "changed since" in capsys.readouterr().err, "other images would be the test's"
