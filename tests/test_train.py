"""Training: what a run leaves behind, what it depends on, when it stops, how it fails."""

import json
import math

import numpy as np
import pytest

import kact
from kact import backend
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.train import run
from kact.training.stopping import best_epoch, stopped_by

SMALL = Experiment(model={"name": "mlp", "hidden_units": [16]}, epochs=3, train_examples=300, learning_rate=0.01)
STEP = "captured" if backend.name() == "torch" else "stock"


def stored_weights(finished):
    return Checkpoint.load(finished.path / "checkpoint.npz").weights


def assert_same(one, other):
    assert one.history == other.history
    for a, b in zip(stored_weights(one), stored_weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_leaves_behind_all_that_it_promises(tmp_path):
    finished = run(SMALL, out=tmp_path)
    assert sorted(path.name for path in finished.path.iterdir()) == [
        ".lock", "checkpoint.npz", "experiment.toml", "history.csv", "metrics.json", "model.keras"
    ]  # fmt: skip
    assert Experiment.load(finished.path / "experiment.toml") == SMALL
    metrics = json.loads((finished.path / "metrics.json").read_text())
    assert metrics["status"] == "finished" and metrics["stopped_by"] == "epochs" and metrics["epochs"] == 3
    for split, examples in {"train": 300, "validation": 145, "test": 359}.items():
        scores = metrics[split]
        assert scores["examples"] == examples == np.sum(scores["confusion"])
        assert scores["accuracy"] == np.trace(scores["confusion"]) / examples
        assert set(scores) == {
            "loss", "accuracy", "precision", "recall", "f1", "examples", "per_class", "confusion"
        }  # fmt: skip
    assert metrics["test"]["accuracy"] > 0.5
    assert metrics["model"]["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    timing = metrics["timing"]
    assert len(timing["epoch_seconds"]) == 3
    assert timing["images_per_second"] == pytest.approx(900 / sum(timing["epoch_seconds"]))
    assert timing["inference_seconds_for_10000"] > 0
    provenance = metrics["provenance"]
    assert provenance["backend"] == backend.name() and provenance["step"] == {"kind": STEP, "reason": None}
    assert provenance["versions"]["keras"] and len(provenance["data"]) == 64
    columns = ["epoch", "learning_rate", *(f"{s}_{m}" for s in ("train", "validation") for m in ("loss", "accuracy"))]
    assert [list(row) for row in finished.history] == [columns] * 3
    kept = finished.history[metrics["kept_epoch"] - 1]
    assert kept["validation_accuracy"] == metrics["validation"]["accuracy"]
    assert kept["validation_loss"] == pytest.approx(metrics["validation"]["loss"], rel=1e-6)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(SMALL, out=tmp_path)
    before = (first.path / "metrics.json").stat().st_mtime_ns
    assert run(SMALL, out=tmp_path) == first
    assert (first.path / "metrics.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_the_same_experiment_gives_the_same_run(tmp_path, model):
    busy = SMALL.replace(
        model=model, epochs=2, dropout=0.3, batch_norm=True, augment=("shift(pixels=1)",), activation="rrelu"
    )
    assert_same(run(busy, out=tmp_path / "one"), run(busy, out=tmp_path / "two"))
    assert run(busy.replace(seed=1), out=tmp_path).history != Run.load(tmp_path / "one" / busy.label).history


def test_nothing_outside_changes_a_run(tmp_path):
    """Neither what was drawn before it in the process, nor the activation, changes the order of the examples."""
    np.random.random(3)
    first = run(SMALL.replace(dropout=0.3), out=tmp_path / "one")
    np.random.random(5)
    run(SMALL.replace(activation="tanh"), out=tmp_path)
    assert_same(first, run(SMALL.replace(dropout=0.3), out=tmp_path / "two"))


def test_a_run_leaves_the_process_as_it_was(tmp_path):
    import keras

    policy = keras.config.dtype_policy()
    if backend.name() == "torch":
        import torch

        before = torch.get_rng_state()
    run(SMALL.replace(precision="bfloat16", epochs=1), out=tmp_path)
    assert keras.config.dtype_policy() == policy
    if backend.name() == "torch":
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.3, "batch_norm": True, "optimizer": "adam", "augment": ("shift(pixels=1)",)},
        {"precision": "bfloat16", "optimizer": "nesterov", "schedule": "one_cycle"},
        {"precision": "float16", "optimizer": "sgd(use_ema=True)"},
        {"loss": "mse", "l2": 1e-3, "optimizer": "adagrad", "activation": "prelu"},
    ],
    ids=["dropout", "bfloat16", "float16", "mse"],
)
def test_resuming_after_any_epoch_changes_nothing(tmp_path, changes):
    """A run stopped after each epoch in turn and taken up again equals one that was never stopped."""
    if backend.name() == "jax" and changes.get("precision") == "float16":
        with pytest.raises(KactError, match="float16 does not train on the jax backend"):
            run(SMALL.replace(**changes), out=tmp_path)
        return
    busy = SMALL.replace(**changes)
    straight = run(busy, out=tmp_path / "straight")

    class StopAfter:
        def started(self, experiment, directory, device, epochs_done):
            self.until = epochs_done + 1

        def batch_done(self, done, total):
            if self.done_epochs == self.until and done == total // 2:
                raise KeyboardInterrupt

        def epoch_done(self, row, epochs, seconds):
            self.done_epochs = row["epoch"]

        done_epochs = 0

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(busy, out=tmp_path / "stopped", progress=StopAfter())
    assert_same(straight, run(busy, out=tmp_path / "stopped"))


def test_going_on_from_a_finished_run_equals_a_longer_one(tmp_path):
    shorter = run(SMALL, out=tmp_path / "a")
    longer = run(SMALL.replace(epochs=5), out=tmp_path / "a", continue_from=shorter)
    assert_same(longer, run(SMALL.replace(epochs=5), out=tmp_path / "b"))
    assert longer.history[:3] == shorter.history and Run.load(shorter.path) == shorter


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seed": 1}, "another experiment"), ({"schedule": "cosine"}, "another experiment")],
)
def test_only_the_same_experiment_goes_on(tmp_path, changes, words):
    shorter = run(SMALL.replace(epochs=1), out=tmp_path)
    with pytest.raises(KactError, match=words):
        run(SMALL.replace(**changes), out=tmp_path, continue_from=shorter.path)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_of_as_many_epochs_or_fewer_is_no_way_to_go_on(tmp_path, epochs):
    shorter = run(SMALL.replace(epochs=2), out=tmp_path / "a")
    with pytest.raises(KactError, match=r"has 2 epochs; going on needs more(.|\n)*--epochs 3 or above"):
        run(SMALL.replace(epochs=epochs), out=tmp_path / "b", continue_from=shorter)
    assert not list(tmp_path.glob("b/*/metrics.json"))


def test_a_schedule_laid_out_for_fewer_epochs_does_not_go_on(tmp_path):
    planned = SMALL.replace(schedule="cosine", epochs=1)
    with pytest.raises(KactError, match="laid out for 1 epochs"):
        run(planned.replace(epochs=2), out=tmp_path, continue_from=run(planned, out=tmp_path))


def test_a_run_that_diverges_is_a_result(tmp_path):
    finished = run(SMALL.replace(optimizer="sgd", learning_rate=1e30, activation="linear"), out=tmp_path)
    assert finished.diverged and finished.metrics["stopped_by"] == "diverged" and finished.metrics["epochs"] == 1
    assert finished.metrics["test"] is None
    assert math.isnan(finished.history[-1]["validation_loss"]) or math.isinf(finished.history[-1]["train_loss"])
    with pytest.raises(KactError, match="no model"):
        _ = finished.model_path


def test_the_penalty_is_pytorchs_weight_decay(tmp_path):
    """One SGD step with l2 moves each weight by -rate * (gradient + l2 * weight), biases and scales included."""
    one_step = SMALL.replace(optimizer="sgd", learning_rate=0.1, epochs=1, train_examples=64, batch_norm=True)
    from kact.models import build_model
    from kact.tasks import get_task

    task = get_task("digits")
    made = build_model(
        one_step.model, task.input_shape, 10, activation="relu", batch_norm=True, mean=task.mean, std=task.std
    )
    start = [backend.to_numpy(variable) for variable in made.trainable_variables]
    ends = []
    for l2 in (0.0, 0.5):
        finished = run(one_step.replace(l2=l2), out=tmp_path)
        ends.append(stored_weights(finished))
    trainable = [i for i, variable in enumerate(made.variables) if variable.trainable]
    for i, weight in zip(trainable, start, strict=True):
        np.testing.assert_allclose(ends[1][i] - ends[0][i], -0.1 * 0.5 * weight, atol=1e-5)


def test_the_reported_loss_has_no_penalty_in_it(tmp_path):
    without, with_penalty = (
        run(SMALL.replace(l2=l2, learning_rate=1e-9, epochs=1), out=tmp_path).history[0]["train_loss"]
        for l2 in (0.0, 1.0)
    )
    assert with_penalty == pytest.approx(without, rel=1e-4)


def test_the_test_curve_has_a_file_of_its_own(tmp_path):
    plain = run(SMALL, out=tmp_path)
    watched = run(SMALL.replace(test_curve=True), out=tmp_path)
    assert plain.history == watched.history
    assert not (plain.path / "test_curve.csv").exists()
    lines = (watched.path / "test_curve.csv").read_text().splitlines()
    assert lines[0] == "epoch,test_curve_loss,test_curve_accuracy" and len(lines) == 4


def test_the_last_epoch_is_kept_when_asked(tmp_path):
    finished = run(SMALL.replace(keep="last"), out=tmp_path)
    assert finished.metrics["kept_epoch"] == 3
    assert finished.metrics["validation"]["accuracy"] == finished.history[-1]["validation_accuracy"]


BOTH = SMALL.replace(train_on="train+validation", keep="last", train_examples=None)


def test_validation_is_trained_on_when_asked_and_nothing_is_chosen_by_it(tmp_path):
    straight = run(BOTH, out=tmp_path)
    metrics = straight.metrics
    assert metrics["train"]["examples"] == 1293 + 145 and metrics["test"]["examples"] == 359
    assert metrics["validation"] is None and metrics["best_epoch"] == 0 and metrics["kept_epoch"] == 3
    columns = ["epoch", "learning_rate", "train_loss", "train_accuracy"]
    assert [list(row) for row in straight.history] == [columns] * 3
    shorter = run(BOTH.replace(epochs=1), out=tmp_path)  # and taken up again it goes on as if nothing had happened
    assert_same(straight, run(BOTH, out=tmp_path / "continued", continue_from=shorter))


def test_a_run_without_validation_that_diverges_is_a_result(tmp_path):
    finished = run(BOTH.replace(optimizer="sgd", learning_rate=1e30, activation="linear", epochs=2), out=tmp_path)
    assert finished.diverged and finished.metrics["test"] is None and finished.metrics["kept_epoch"] == 0


def test_weights_that_break_in_the_very_last_step_are_a_run_that_diverged(tmp_path):
    once = BOTH.replace(optimizer="sgd", learning_rate=1e38, epochs=1, train_examples=200, batch_size=200)
    finished = run(once, out=tmp_path)
    assert finished.diverged and finished.metrics["stopped_by"] == "diverged" and finished.metrics["epochs"] == 1
    assert finished.metrics["test"] is None and not (finished.path / "model.keras").exists()
    assert run(once, out=tmp_path).metrics == finished.metrics


def test_a_batch_of_more_examples_than_there_are_takes_all_of_them(tmp_path, caplog):
    large, whole = (run(SMALL.replace(batch_size=size), out=tmp_path) for size in (301, 300))
    assert large.history == whole.history and large.metrics["test"] == whole.metrics["test"]
    assert [record.getMessage() for record in caplog.records if "one step" in record.getMessage()] == [
        "An epoch is one step: batches of 301 take all of the 300 training examples. A smaller --batch-size learns more"
        " in as many epochs."
    ]


def row(epoch, accuracy, loss=1.0, train_loss=1.0):
    return {"epoch": epoch, "train_loss": train_loss, "validation_accuracy": accuracy, "validation_loss": loss}


def test_the_best_epoch():
    history = [row(1, 0.5, 2.0), row(2, 0.7, 1.0), row(3, 0.7, 0.9), row(4, 0.7, 0.9), row(5, 0.9, math.nan)]
    assert best_epoch(history, "accuracy") == 3
    assert best_epoch([row(1, 0.1, 0.5), row(2, 0.9, 0.6)], "loss") == 1
    assert best_epoch([row(1, 0.1, math.inf)], "loss") == 0


@pytest.mark.parametrize(
    ("rules", "history", "reason"),
    [
        ({}, [], None),
        ({"epochs": 2}, [row(1, 0.1)], None),
        ({"epochs": 2}, [row(1, 0.1), row(2, 0.1)], "epochs"),
        ({"patience": 1}, [row(1, 0.5), row(2, 0.6)], None),
        ({"patience": 1}, [row(1, 0.6), row(2, 0.5)], "patience"),
        ({"stop_below": 0.1}, [row(1, 0.5, train_loss=0.2)], None),
        ({"stop_below": 0.1}, [row(1, 0.5, train_loss=0.05)], "loss"),
        ({}, [row(1, 0.5, train_loss=math.nan)], "diverged"),
        ({}, [row(1, 0.5, loss=math.inf)], "diverged"),
    ],
)
def test_stopping_rules(rules, history, reason):
    checkpoint = Checkpoint("torch", history=history, best_epoch=best_epoch(history, "accuracy"))
    assert stopped_by(Experiment(**rules), checkpoint) == reason


def test_public_names():
    assert kact.run is run and kact.Experiment is Experiment and kact.Run is Run
    import kact.train as module

    assert module.__name__ == "kact.train"
    for name in kact.__all__:
        assert getattr(kact, name) is not None
    with pytest.raises(AttributeError, match="trian"):
        _ = kact.trian
