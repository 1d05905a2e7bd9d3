"""`kact inspect TASK`: what is said of a task's data is what is in it."""

import numpy as np
import pytest
from PIL import Image

from kact import __main__ as command
from kact import plots
from kact.errors import KactError
from kact.inspection.task import draw, is_task
from kact.inspection.task_facts import look
from kact.stats import binomial_standard_error
from kact.tasks import Split, TaskData, get_task, load_task

pytestmark = pytest.mark.any_backend


def kact(*arguments):
    try:
        return command.main([str(argument) for argument in arguments])
    except SystemExit as left:
        return left.code


@pytest.fixture
def tagged(tmp_path):
    """Return a folder of tagged sentences: `ok` of test is in train too, in capitals, and the tag X is not."""
    parts = {"train": "so\tR\ncool\tA\n\nOK\tR\n\n", "dev": "so\tR\nnew\tA\n\n", "test": "ok\tR\n\nso\tR\ncool\tA\n\n"}
    parts["test"] += "odd\tX\n\n"
    for name, text in parts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_images_are_counted_and_measured_as_numpy_would():
    data = load_task("digits")
    facts = look(data)
    images, labels = data.train.arrays()
    assert facts.mean == pytest.approx(images.mean(axis=(0, 1, 2)))
    assert facts.sd == pytest.approx(images.std(axis=(0, 1, 2)))
    assert (facts.lowest, facts.highest) == (images.min(), images.max())
    for index in range(10):
        assert facts.counts["train"][index] == (labels == index).sum()
    assert facts.chance == (data.test.labels == facts.counts["train"].argmax()).mean()
    assert facts.standard_error == binomial_standard_error(0.9, 359)


def test_images_that_are_in_train_too_are_found(rng):
    images = rng.integers(0, 256, (12, 8, 8, 1), np.uint8)
    images[9], images[11] = images[2], images[3]
    labels = np.arange(12) % 2
    train, validation, test = (Split(images, labels, np.arange(*ends)) for ends in ((0, 6), (6, 9), (9, 12)))
    facts = look(TaskData(get_task("digits"), train, validation, test, "1", "made"))
    assert facts.shared == {"validation": 0, "test": 2}


def test_sentences_are_counted_with_unseen_words_and_tags(tagged):
    facts = look(load_task("tagged_file", data=str(tagged)))
    assert facts.labels == ("A", "R") and facts.counts["train"].tolist() == [1, 2]
    assert facts.sizes == {"train": 2, "validation": 1, "test": 3}
    assert facts.shared == {"validation": 0, "test": 1}  # "so cool"; "ok" is not written as in train
    assert facts.unseen == {"train": 0, "validation": 0.5, "test": 0.25}  # "new", "odd"
    assert facts.unknown_tags == {"train": 0, "validation": 0, "test": 1}
    assert facts.lengths["test"].tolist() == [1, 2, 1]
    assert facts.chance == 0.5  # R; two of four tokens


def test_the_command_prints_the_facts_of_images_and_of_sentences(tagged, capsys):
    assert kact("inspect", "digits") == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("1,293", "8x8x1", "also in train", "0.1003", "0.00279"))
    assert kact("inspect", "tagged_file", "--data", tagged) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("unseen", "One of 4 test examples", "0.250", "error is at least 0.15"))


def test_figures_are_written_and_their_places_said(tagged, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert kact("inspect", "digits", "--samples", "--counts") == 0
    said = capsys.readouterr().out.split()
    assert said == ["figures/digits-samples.png", "figures/digits-counts.png"]
    for path in said:
        with Image.open(path) as image:
            assert image.size[0] > 300
    assert kact("inspect", "tagged_file", "--data", tagged, "--counts", "--out", tmp_path / "tags.svg") == 0
    assert "no longer" in (tmp_path / "tags.svg").read_text()


def test_samples_are_of_their_class_and_the_same_whoever_asks(monkeypatch, tmp_path):
    drawn = []

    def noted(images, labels, title):
        drawn.append(images)
        return plots.count_sheet({"train": np.ones(10)}, labels, title=title)

    monkeypatch.setattr(plots, "sample_sheet", noted)
    data = load_task("digits")
    for name in ("a.png", "b.png"):
        draw(data, "samples", out=tmp_path / name)
    assert all((first == second).all() for first, second in zip(*drawn, strict=True))
    images, labels = data.train.arrays()
    for label, rows in enumerate(drawn[0]):
        of_class = {image.tobytes() for image in images[labels == label]}
        assert len(rows) == 10 and all(image.tobytes() in of_class for image in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mnits"], ["no run in 'mnits'", "Did you mean 'mnist'?", "kact list tasks"]),
        (["no/such/run"], ["no run in 'no/such/run'", "kact list tasks"]),
        (["digits(size=3)"], ["digits", "takes no parameters"]),
        (["digits", "--kernels"], ["--kernels is of a run", "--samples"]),
        (["digits", "--test", "3"], ["--test", "is of a run"]),
        (["digits", "--samples", "--counts", "--out", "a.png"], ["--out", "one figure"]),
        (["digits", "--samples", "--out", "a.jpg"], ["a.jpg", ".png"]),
        (["digits", "--data", "x"], ["has its own data"]),
        (["image_folder"], ["--data"]),
        ([".", "--counts"], ["--counts", "Name the task"]),
        (["."], ["no run in '.'"]),
    ],
)
def test_bad_input_is_one_error_in_two_lines(arguments, words, capsys):
    assert kact("inspect", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("kact: ") and said.count("\n") <= 2 and all(word in said for word in words)


def test_sentences_have_no_samples(tagged):
    with pytest.raises(KactError, match="--counts"):
        draw(load_task("tagged_file", data=str(tagged)), "samples")


def test_a_run_named_like_a_task_is_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert is_task("mnist")
    (tmp_path / "mnist" / "experiment.toml").write_text("")
    assert not is_task("mnist")
