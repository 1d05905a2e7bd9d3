"""A model of one's own: known again by the layers that it lays out, never mixed with what it was changed into."""

import dataclasses

import keras
import pytest

from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import LeNet
from kact.models.layout import layout_of, same_layout
from kact.predict import Predictor
from kact.reports import write
from kact.runs import OwnCode, Run, RunDirectory
from kact.studies.merge import merge_studies
from kact.studies.study import Study
from kact.train import run
from kact.training.training import Training
from tests import own_model
from tests.studies import PoolHere, results, run_study

pytestmark = pytest.mark.any_backend

SPEC = "tests.own_model:Residual"
OWN = Experiment(model={"name": SPEC, "units": 8}, epochs=1, train_examples=200)
CHANGED = f"The model '{SPEC}' has other layers than when '{{}}' was begun."
SHAPE = (8, 8, 1)


def without_its_way_around(self, x, blocks):
    x = blocks.hidden_dense(blocks.flatten(x), self.units, name="first")
    return blocks.hidden_dense(x, self.units, name="around")


@pytest.fixture
def change(monkeypatch):
    """Return a function that gives one's own class another `hidden`."""

    def put(hidden=without_its_way_around):
        monkeypatch.setattr(own_model.Residual, "hidden", hidden)

    return put


def refused(action):
    with pytest.raises(KactError) as caught:
        action()
    assert caught.value.kind == "own code"
    return str(caught.value).splitlines()[0]


def test_a_finished_run_is_not_taken_for_one_of_the_changed_class(change, tmp_path):
    finished = run(OWN, out=tmp_path)
    assert run(OWN, out=tmp_path).metrics == finished.metrics
    change()
    assert refused(lambda: run(OWN, out=tmp_path)) == CHANGED.format(finished.path)
    longer = OWN.replace(epochs=2)
    assert refused(lambda: run(longer, out=tmp_path, continue_from=finished)) == CHANGED.format(finished.path)
    assert len(Predictor(finished).predict_test(3)) == 3, "what was saved is what it was"
    del finished.metrics["provenance"]["layout"]  # of an earlier kact
    finished.check_own_code()


def test_a_run_that_was_cut_off_does_not_go_on_with_another_class(change, tmp_path):
    begun = cut_off(OWN.replace(epochs=2), tmp_path)
    change()
    assert refused(lambda: run(OWN.replace(epochs=2), out=tmp_path)) == CHANGED.format(begun.path)


def cut_off(experiment, out):
    directory = RunDirectory(out / experiment.label)
    with directory.opened(experiment):
        Training.prepare(experiment, directory, "cpu").train(None)
    return directory


def test_a_study_does_not_mix_two_classes_and_a_report_names_what_others_did(change, tmp_path, monkeypatch):
    base = {"task": "digits", "model": SPEC, "model.units": 8, "epochs": 1, "train_examples": 100}
    study = Study(base=base, grid={"activation": ["relu", "mish"]}, seeds=1)
    rows = run_study(study, tmp_path / "out")
    assert rows[0].metrics["provenance"]["layout"] == layout_of(own_model.Residual(8), SHAPE)
    begun = cut_off(next(study.experiments("compare"))[1], tmp_path / "cut-off" / "runs")
    assert begun.begun_with[1] == OwnCode.noted(rows[0].metrics["provenance"])
    change()
    for out in (tmp_path / "out", tmp_path / "cut-off"):
        pool = PoolHere()
        assert refused(lambda out=out, pool=pool: run_study(study.replace(seeds=2), out, pool)) == CHANGED.format(out)
        assert not pool.done, "nothing was recorded as failed"
    other = run_study(study.replace(seeds=(1,)), tmp_path / "other")
    with pytest.raises(KactError, match="hold runs of one model of your own that was changed between them"):
        merge_studies(tmp_path / "merged", [tmp_path / "out", tmp_path / "other"])
    runs = [str(tmp_path / name / row.path) for name, of in (("out", rows), ("other", other)) for row in of]
    write.report(runs, tmp_path / "report", ("md",))
    assert f"The model '{SPEC}' was changed between the runs" in (tmp_path / "report/report.md").read_text()
    monkeypatch.undo()
    assert results(run_study(study, tmp_path / "out")) == results(rows)


def test_what_changes_no_layer_changes_nothing(change):
    before = layout_of(own_model.Residual(8), SHAPE)

    def in_other_words(self, x, blocks):
        flat = blocks.flatten(x)
        first = blocks.hidden_dense(flat, self.units, name="first")
        return keras.layers.Add()([first, blocks.hidden_dense(first, self.units, name="around")])

    def renamed(self, x, blocks):  # its initial weights are others then
        x = blocks.hidden_dense(blocks.flatten(x), self.units, name="one")
        return x + blocks.hidden_dense(x, self.units, name="around")

    assert set(before) == {"keras", "kact", "input_shape", "layers"}
    assert layout_of(own_model.Residual(8), SHAPE) == before, "Keras numbers its additions anew"
    assert layout_of(own_model.Residual(9), SHAPE)["layers"] != before["layers"]
    for hidden in (in_other_words, renamed, lambda *given: keras.layers.Dropout(0.1)(in_other_words(*given))):
        change(hidden)
        assert not same_layout(before, layout_of(own_model.Residual(8), SHAPE))
    for other in ({"keras": "3.0.0"}, {"kact": "0.0.1"}, {"input_shape": [9, 9, 1]}):
        assert same_layout({**before, **other}, layout_of(own_model.Residual(8), SHAPE)), "nothing is known of it"
    assert same_layout({}, before) and same_layout(before, {})


def test_what_kact_has_and_what_cannot_be_told_have_no_layout(change, tmp_path):
    assert layout_of(LeNet(), (32, 32, 3)) == {} != layout_of(own_model.Words(), ())
    draws = iter(range(100))

    def drawn(self, x, blocks):
        return blocks.hidden_dense(blocks.flatten(x), 4 + next(draws), name="first")

    change(drawn)
    assert layout_of(own_model.Residual(8), SHAPE) == {}
    assert "layout" not in Run.load(run(OWN.replace(model="mlp"), out=tmp_path).path).metrics["provenance"]

    @dataclasses.dataclass(frozen=True)
    class Clustered(own_model.Words):
        def embed(self, inputs, features, blocks):
            return [inputs["clusters"]]

    assert layout_of(Clustered(), ()) == {}
