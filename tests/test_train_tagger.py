"""Training and using a tagger: what it leaves behind, what it depends on, what it says of any text."""

import json
import os

import numpy as np
import pytest

from kact import __main__ as command
from kact import backend
from kact.errors import KactError
from kact.experiment import Experiment
from kact.predict import Predictor
from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.tasks import load_task
from kact.text.vocabulary import Vocabulary
from kact.train import run
from kact.training.scores import score, tag_scores
from tests.corpus import TAGS, sentences, text_of, write_parts, write_resources

needs_tfds_data = pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("corpus"))


def small(corpus, **changes):
    sizes = {"name": "bilstm_tagger", "lstm_units": 8, "hidden_units": [8], "word_units": 8}
    settings = {"task": "tagged_file", "data": str(corpus), "model": sizes, "learning_rate": 0.02, "batch_size": 16}
    return Experiment(**{**settings, "epochs": 3, "dropout": 0.1, **changes})


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    return run(small(corpus, epochs=12), out=tmp_path_factory.mktemp("runs"))


def assert_same(one, other):
    assert one.history == other.history
    weights = [Checkpoint.load(run.path / "checkpoint.npz").weights for run in (one, other)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_leaves_behind_all_that_it_promises(trained, corpus):
    assert (trained.path / "vocabulary.json").is_file() and trained.vocabulary_path.is_file()
    metrics = json.loads((trained.path / "metrics.json").read_text())
    tokens = sum(len(sentence) for sentence in sentences(40, 2))
    scores = metrics["test"]
    assert scores["examples"] == tokens == np.sum(scores["confusion"]) and scores["sentences"] == 40
    assert scores["accuracy"] == np.trace(scores["confusion"]) / tokens > 0.85
    assert 0 < scores["unseen_examples"] < tokens and 0.7 < scores["unseen_accuracy"] <= 1
    assert 0 < scores["sequence_accuracy"] <= scores["accuracy"] and scores["unknown_tags"] == {}
    assert set(scores["per_class"]) == set(TAGS)
    assert metrics["train"]["unseen_examples"] == 0 and metrics["train"]["unseen_accuracy"] is None
    assert metrics["timing"]["tokens_per_second"] > 0 and metrics["provenance"]["resources"] == {}
    kept = trained.history[metrics["kept_epoch"] - 1]
    assert kept["validation_accuracy"] == metrics["validation"]["accuracy"]
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]


def test_the_same_experiment_gives_the_same_run(corpus, tmp_path):
    sizes = {"name": "window_tagger", "hidden_units": [8]}
    busy = small(corpus, model=sizes, epochs=2, batch_norm=True, activation="rrelu")
    first = run(busy, out=tmp_path / "one")
    assert_same(first, run(busy, out=tmp_path / "two"))
    assert run(busy.replace(seed=1), out=tmp_path).history != first.history


def test_resuming_changes_nothing(corpus, tmp_path):
    busy = small(corpus, optimizer="adamw", schedule="cosine", epochs=2)
    straight = run(busy, out=tmp_path / "straight")

    class StopAfter:
        def started(self, experiment, directory, device, epochs_done):
            self.until, self.done = epochs_done + 1, epochs_done

        def batch_done(self, done, total):
            if self.done == self.until and done == total // 2:
                raise KeyboardInterrupt

        def epoch_done(self, row, epochs, seconds):
            self.done = row["epoch"]

    with pytest.raises(KeyboardInterrupt):
        run(busy, out=tmp_path / "stopped", progress=StopAfter())
    assert_same(straight, run(busy, out=tmp_path / "stopped"))


def test_the_validation_sentences_are_trained_on_when_asked(corpus, tmp_path):
    both = small(corpus, train_on="train+validation", keep="last", epochs=1)
    finished = run(both, out=tmp_path)
    made = [*sentences(120, 0), *sentences(30, 1)]
    assert finished.metrics["train"]["examples"] == sum(map(len, made)) and finished.metrics["validation"] is None
    known = Vocabulary.load(finished.vocabulary_path)
    assert sum(known.words.values()) == sum(map(len, made)), "words of both"


def test_the_reported_training_loss_counts_each_token_once(corpus, tmp_path):
    """Without dropout and with a rate of nearly nothing it is the loss of the model as it stays."""
    sizes = {"name": "bilstm_tagger", "lstm_units": 8, "word_dropout": 0.0, "cluster_dropout": 0.0}
    still = small(corpus, model=sizes, learning_rate=1e-9, epochs=1, dropout=0.0, batch_size=7, optimizer="sgd")
    finished = run(still, out=tmp_path)
    assert finished.history[0]["train_loss"] == pytest.approx(finished.metrics["train"]["loss"], rel=1e-4)
    assert finished.history[0]["train_accuracy"] == pytest.approx(finished.metrics["train"]["accuracy"], abs=1e-6)


def test_other_losses_and_penalties(corpus, tmp_path):
    sizes = {"name": "window_tagger", "hidden_units": [8]}
    finished = run(small(corpus, model=sizes, loss="mse", l2=1e-4, epochs=2), out=tmp_path)
    assert finished.history[-1]["train_loss"] < finished.history[0]["train_loss"]


def test_a_tag_that_train_never_had_counts_as_wrong_and_is_named(tmp_path):
    folder = write_parts(tmp_path / "corpus", train=60, dev=10, test=10)
    (folder / "test.txt").write_text(text_of([[("the", "D"), ("the", "XX")], [("the", "D")]]))
    sizes = {"name": "window_tagger", "hidden_units": [8]}
    scores = run(small(folder, model=sizes, epochs=5), out=tmp_path).metrics["test"]
    assert scores["unknown_tags"] == {"XX": 1} and scores["examples"] == 3
    assert scores["accuracy"] == pytest.approx(2 / 3) and scores["sequence_accuracy"] == 0.5
    assert np.isfinite(scores["loss"]) and "XX" not in scores["per_class"]


def test_scores_by_hand():
    from kact.text.encoded import EncodedSplit

    known = Vocabulary.build([["a"]], ("N", "V"))
    split = EncodedSplit.of([["a", "b"], ["a"], ["c"]], [[0, 1], [1], [2]], known, frozenset({"a"}))
    outputs = np.array([[2.0, 0], [0, 2.0], [2.0, 0], [2.0, 0]])
    found = tag_scores(outputs, split, {"X": 1})
    assert found["unseen_accuracy"] == 0.5 and found["unseen_examples"] == 2
    assert found["sequence_accuracy"] == pytest.approx(1 / 3) and found["sentences"] == 3
    plain = score(outputs, split.labels, ("N", "V"), "cross_entropy")
    assert plain["accuracy"] == 0.5 and plain["loss"] == pytest.approx(
        np.log1p(np.exp(-2)) * 2 / 3 + np.log1p(np.exp(2)) / 3
    )


def test_clusters_and_names_are_used_recorded_and_kept(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(write_resources(tmp_path / "tfds")))
    sizes = {"name": "window_tagger", "hidden_units": [16], "clusters": True, "name_lists": True}
    finished = run(small(corpus, model=sizes, epochs=1), out=tmp_path)
    assert set(finished.metrics["provenance"]["resources"]) == {"clusters", "name_lists"}
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    assert len(Predictor(finished).tag(["the thing"])[0]) == 2, "the run's directory is enough"


def test_what_was_asked_for_and_is_missing_is_told_where_to_lie(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    sizes = {"name": "bilstm_tagger", "clusters": True}
    with pytest.raises(KactError, match=r"(?s)cannot be fetched.*twitter_word_clusters/6mpaths' by hand"):
        run(small(corpus, model=sizes), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["nothing"], "where the file may be laid, and no run"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "mlp"}, "window_tagger, bilstm_tagger"),
        ({"task": "digits", "data": None}, "mlp, cnn"),
        ({"augment": ("flip",)}, "changes images"),
    ],
)
def test_models_and_tasks_must_fit(corpus, changes, words):
    with pytest.raises(KactError, match=words):
        small(corpus, **changes)


# --- any text ---


@pytest.mark.parametrize(
    "text", ["", " \n ", "\0\0", "a" * 10_000, "x " * 5_000, "😀😀 ♥", "שלום עולם", "a\0b", "\ud800"]
)
def test_any_text_is_tagged(trained, text):
    found = Predictor(trained).tag([text])[0]
    assert bool(found) == bool(text.replace("\0", " ").replace("\ud800", " ").strip())
    for one in found:
        assert one.tag in TAGS and 0 < one.probability <= 1 and one.token


def test_gold_tokens_score_as_the_run_says_in_whatever_company(trained, corpus):
    test = load_task("tagged_file", data=str(corpus)).test
    predictor = Predictor(trained)
    found = predictor.tag_tokens([*test.tokens, ["the"] * 300, []])
    right = [
        one.tag == tag
        for tokens, tags in zip(found, test.tags, strict=False)
        for one, tag in zip(tokens, tags, strict=True)
    ]
    assert np.mean(right) == trained.metrics["test"]["accuracy"]
    assert len(found[-2]) == 300 and found[-1] == [] and predictor.tag([]) == []
    alone = predictor.tag(["the abing the bodness"])[0]
    among = predictor.tag(["the", "the abing the bodness", "x " * 100])[1]
    assert [one.tag for one in alone] == [one.tag for one in among]
    np.testing.assert_allclose([one.probability for one in alone], [one.probability for one in among], atol=1e-5)


def test_words_for_images_and_images_for_words_are_refused(trained, tmp_path):
    with pytest.raises(KactError, match="tags words, not images"):
        Predictor(trained).predict(["x.png"])
    images = run(Experiment(epochs=1, train_examples=100), out=tmp_path)
    with pytest.raises(KactError, match="labels images, not words"):
        Predictor(images).tag(["hello"])
    with pytest.raises(KactError, match="does not tag words"):
        _ = images.vocabulary_path
    with pytest.raises(KactError, match="at most 1,000,000"):
        Predictor(trained).tag(["a" * 1_000_001])


def kact(*arguments):
    try:
        return command.main([str(argument) for argument in arguments])
    except SystemExit as left:
        return left.code


def test_the_command_line_tags(trained, tmp_path, capsys):
    assert kact("predict", trained.path, "--text", "the abing", "--text", "") == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line.split("\t")[:2] for line in lines[:2]] == [["the", "D"], ["abing", "N"]]
    assert 0 < float(lines[0].split("\t")[2]) <= 1 and lines[2:] == ["", "", ""]
    (tmp_path / "texts.txt").write_text("the abing\nabful\n", encoding="utf-8")
    assert kact("predict", trained.path, tmp_path / "texts.txt", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["text"] for one in found] == ["the abing", "abful"] and found[1]["tokens"][0]["tag"] == "A"
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff")
    for arguments, words in {
        (str(tmp_path / "bad.txt"),): ["Line 2", "not UTF-8"],
        (str(tmp_path / "none.txt"),): ["none.txt", "No such file"],
        (): ["nothing to predict"],
        ("--test", "3"): ["runs that label images", "--gold FILE"],
    }.items():
        assert kact("predict", trained.path, *arguments) == 2
        printed = capsys.readouterr().err
        assert all(word in printed for word in words), printed


def test_a_file_of_gold_tags_is_scored(trained, corpus, tmp_path, capsys):
    assert kact("predict", trained.path, "--gold", corpus / "test.txt") == 0
    scores = trained.metrics["test"]
    assert capsys.readouterr().out.startswith(f"accuracy {scores['accuracy']:.4f} of {scores['examples']} tokens  loss")
    messy = [("“the”", "D"), ("👍🏽", "XX"), ("שלום", "N"), ("$5.00", "N"), ("x" * 3000, "A")]
    (tmp_path / "messy.txt").write_text(text_of([messy, [("the", "D")]]), encoding="utf-8")
    assert kact("predict", trained.path, "--gold", tmp_path / "messy.txt", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["examples"] == 6 and found["sentences"] == 2 and found["unknown_tags"] == {"XX": 1}
    assert kact("predict", trained.path, "--gold", tmp_path / "messy.txt") == 0
    assert "knows no such tags: XX (1)" in capsys.readouterr().out
    (tmp_path / "bad.txt").write_text("the\tXX\n")
    assert kact("predict", trained.path, "--gold", tmp_path / "bad.txt") == 2
    assert "No tag in " in (printed := capsys.readouterr().err) and "It knows " in printed
    (tmp_path / "bad.txt").write_text("the D\n")
    assert kact("predict", trained.path, "--gold", tmp_path / "bad.txt") == 2
    assert "Line 1 of" in (printed := capsys.readouterr().err) and "Traceback" not in printed


def test_training_and_inspecting_from_the_command_line(corpus, tmp_path, capsys):
    data = ["--data", corpus, "--epochs", 1, "--model", "window_tagger", "--hidden-units", 8, "--out", tmp_path]
    assert kact("train", "--task", "tagged_file", *data) == 0
    assert "kact predict" in (printed := capsys.readouterr().out) and '--text "..."' in printed
    made = Run.load(next(tmp_path.iterdir()))
    assert made.experiment.data == str(corpus)
    assert kact("inspect", made.path) == 0
    assert "tokens/s" in capsys.readouterr().out
    assert kact("train", "--task", "tagged_file", "--out", tmp_path) == 2
    assert "--data" in capsys.readouterr().err
    assert kact("list", "tasks") == 0 and "twitter_pos" in (printed := capsys.readouterr().out) and "words" in printed


@pytest.mark.parametrize("arguments", [["--feature-maps", "a.png"], ["--test", 2], ["--kernels"]])
def test_figures_that_images_alone_have_are_refused_in_a_line_or_two(trained, arguments, capsys):
    assert kact("inspect", trained.path, *arguments) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed and len(printed.strip().splitlines()) <= 2
    assert "no kernels" in printed or "has no feature maps" in printed


@pytest.mark.realdata
@needs_tfds_data
@pytest.mark.skipif(backend.name() != "torch", reason="the accuracy is every backend's; one pays for it")
def test_two_epochs_on_tweets_beat_the_commonest_tag_of_each_word(tmp_path):
    sizes = {"name": "window_tagger", "clusters": True, "hidden_units": [64]}
    finished = run(Experiment(task="tweets", model=sizes, epochs=2, batch_size=16), out=tmp_path)
    assert finished.metrics["test"]["accuracy"] > 0.85
    assert [one.tag for one in Predictor(finished).tag(["I love you"])[0]] == ["O", "V", "O"]
