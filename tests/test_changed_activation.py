"""One's own activation: tried before anything is written, known again by what it computes, never mixed with another."""

import numpy as np
import pytest
from keras import ops

from kact import __main__ as command
from kact.activations.own import alike, mixes_examples, values_of
from kact.errors import KactError
from kact.experiment import Experiment
from kact.predict import Predictor
from kact.reports import write
from kact.runs import Run, RunDirectory
from kact.train import run
from kact.training.training import Training
from tests import own_activation
from tests.studies import run_study, small_study

SPEC = "tests.own_activation:bent"
OWN = Experiment(activation=SPEC, model={"name": "mlp", "hidden_units": [8]}, epochs=1, train_examples=200)
CHANGED = f"The activation '{SPEC}' computes something else than when '{{}}' was begun."


@pytest.fixture
def change(monkeypatch):
    """Return a function that puts another one in the place of one's own activation."""

    def put(function=lambda x: ops.tanh(x) * 0.1):
        monkeypatch.setattr(own_activation, "bent", function)

    return put


def refused(action):
    with pytest.raises(KactError) as caught:
        action()
    return str(caught.value).splitlines()[0]


def test_a_finished_run_is_not_taken_for_one_of_the_changed_function(change, tmp_path):
    finished = run(OWN, out=tmp_path)
    assert run(OWN, out=tmp_path).metrics == finished.metrics
    change(lambda x: ops.where(x > 0, 1 / (1 / ops.maximum(x, 1e-9) + 0.5), 0.1 * x))  # the same in other words
    assert run(OWN, out=tmp_path).metrics == finished.metrics
    change()
    assert refused(lambda: run(OWN, out=tmp_path)) == CHANGED.format(finished.path)
    assert refused(lambda: Predictor(finished).predict_test(3)) == CHANGED.format(finished.path)
    longer = OWN.replace(epochs=2)
    assert refused(lambda: run(longer, out=tmp_path, continue_from=finished)) == CHANGED.format(finished.path)


def test_a_run_that_was_cut_off_does_not_go_on_with_another_function(change, tmp_path):
    twice, directory = OWN.replace(epochs=2), RunDirectory(tmp_path / OWN.replace(epochs=2).label)
    with directory.opened(twice):
        training = Training.prepare(twice, directory, "cpu")
        training.train(None)
    change()
    assert refused(lambda: run(twice, out=tmp_path)) == CHANGED.format(directory.path)


def test_a_study_does_not_mix_two_functions_and_a_report_names_what_others_did(change, tmp_path, monkeypatch):
    study = small_study(tmp_path, seeds=1, activations=("relu", SPEC))
    run_study(study, tmp_path / "out")
    change()
    more = study.replace(seeds=2)
    assert refused(lambda: run_study(more, tmp_path / "out")) == CHANGED.format(tmp_path / "out")
    runs = [run(OWN.replace(seed=1), out=tmp_path / "runs")]
    monkeypatch.undo()
    runs.append(run(OWN, out=tmp_path / "runs"))
    write.report([str(one.path) for one in runs], tmp_path / "report", ("md",))
    assert f"{own_name()} was changed between the runs" in (tmp_path / "report/report.md").read_text()


def own_name():
    return f"The activation '{SPEC}'"


def numpys(x):
    return np.maximum(x, 0)


def smaller(x):
    return ops.sum(x, axis=-1)


def nothing(x):
    return None


def of_maps_alone(x):
    return x * ops.mean(x, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (numpys, ["keras.ops"]),
        (smaller, ["of shape (3,)", "of shape (3, 11)", "the same shape"]),
        (nothing, ["a NoneType", "keras.ops"]),
        (lambda x: 1 / 0, ["cannot be applied to a tensor: division by zero"]),
        (lambda x: x[:1], ["makes one of shape (1, 11) of a tensor of shape (3, 11)"]),
        (lambda x: ops.mean(x, axis=0, keepdims=True), ["makes one of shape (1, 11)", "the same shape"]),
    ],
)
def test_a_function_that_cannot_be_used_is_told_in_two_lines_before_anything_is_written(
    function, words, change, tmp_path, capsys
):
    change(function)
    assert command.main(["train", "--activation", SPEC, "--epochs", "1", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in (SPEC, *words)), said
    assert len(said.splitlines()) == 2 and list(tmp_path.iterdir()) == []


def test_what_is_no_number_is_named_where_the_loss_is_none(change, tmp_path, capsys):
    change(lambda x: ops.log(x))
    assert command.main(["train", "--activation", SPEC, "--epochs", "1", "--out", str(tmp_path)]) == 0
    words = "the loss is not a number. Nor is what the activation makes of 0 and of 16 more of 33 numbers."
    assert words in capsys.readouterr().out


def test_what_is_of_maps_alone_or_no_number_or_drawn_is_no_mistake(change):
    change(of_maps_alone)
    assert len(values_of(SPEC)) == 33
    change(lambda x: ops.log(x))
    assert values_of(SPEC)[0] is None and values_of(SPEC)[-1] == pytest.approx(np.log(8), rel=1e-4)
    change(lambda x: x * np.random.default_rng().uniform())
    assert values_of(SPEC) == [] == values_of("relu")
    assert alike([1.0, None], [1.0, None]) and not alike([1.0, None], [1.0, 2.0]) and not alike([1.0], [1.0, 2.0])


def test_a_function_that_mixes_the_examples_of_a_batch_is_known(change, tmp_path, caplog):
    change(lambda x: x - ops.mean(x, axis=0, keepdims=True))
    assert mixes_examples(SPEC)
    run(OWN, out=tmp_path)
    assert "other examples of the batch" in caplog.text
    for function in (lambda x: x - ops.mean(x, axis=-1, keepdims=True), of_maps_alone, lambda x: ops.log(x)):
        change(function)
        assert not mixes_examples(SPEC)
    change(lambda x: x * np.random.default_rng().uniform())
    assert not mixes_examples(SPEC) and not mixes_examples("relu")


def test_a_run_of_an_earlier_kact_knows_no_values_and_is_believed(change, tmp_path):
    finished = run(OWN, out=tmp_path)
    assert finished.metrics["provenance"]["activation"] == pytest.approx(values_of(SPEC), abs=1e-5)
    del finished.metrics["provenance"]["activation"]
    change()
    finished.check_activation()
    assert "activation" not in run(OWN.replace(activation="relu"), out=tmp_path).metrics["provenance"]
    assert Run.load(finished.path).metrics["provenance"]["activation"]
