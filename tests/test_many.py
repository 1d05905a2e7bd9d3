"""Many runs at once: each ends as its own run does, whatever the others do."""

import keras
import numpy as np
import pytest

import kact
from kact import backend, losses, optimizers
from kact.engine import make_engine
from kact.errors import KactError
from kact.experiment import Experiment
from kact.many import groups, run_many
from kact.models import build_model
from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.tasks import Split, TaskData, get_task
from kact.train import run
from kact.training.assembly import epoch_batches

SMALL = Experiment(
    model={"name": "mlp", "hidden_units": [12]}, epochs=3, train_examples=150, optimizer="adam(epsilon=0.001)"
)
CNN = {"name": "cnn", "filters": [4, 6], "kernel_size": 3, "pool": "max", "hidden_units": [8]}


def several(experiment=SMALL, count=3, **changes):
    return [
        experiment.replace(seed=seed, learning_rate=0.003 * (seed + 1), l2=0.01 * seed, **changes)
        for seed in range(count)
    ]


def assert_equal_runs(one, other, tolerance=1e-5):
    """Compare what two runs of an experiment left behind, to rounding."""
    assert one.experiment == other.experiment
    assert sorted(path.name for path in one.path.iterdir()) == sorted(path.name for path in other.path.iterdir())
    assert len(one.history) == len(other.history)
    for a, b in zip(one.history, other.history, strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6, nan_ok=True)
    for name in ("status", "stopped_by", "epochs", "best_epoch", "kept_epoch", "model", "task"):
        assert one.metrics[name] == other.metrics[name]
    kept = [Checkpoint.load(found.path / "checkpoint.npz") for found in (one, other)]
    for name in ("weights", "optimizer", "best_weights"):
        for a, b in zip(*(getattr(checkpoint, name) for checkpoint in kept), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_runs_that_can_train_at_once_are_grouped():
    others = [SMALL.replace(activation="tanh"), SMALL.replace(batch_size=32)]
    stops = SMALL.replace(patience=2, stop_below=0.1, keep="last", test_curve=True, epochs=9)
    found = groups.groups([SMALL, *others, SMALL.replace(seed=4, learning_rate=0.1, l2=0.3), stops])
    assert [len(group) for group in found] == [3, 1, 1]
    planned = SMALL.replace(schedule="cosine")
    assert len(groups.groups([planned, planned.replace(epochs=9)])) == 2  # another schedule


def test_packs_hold_all_members_in_near_equal_parts():
    for members in (1, 2, 7, 16, 100, 129):
        for largest in (10, 3072 * 256, 10**8):
            sizes = groups.packs(members, largest)
            assert sum(sizes) == members and max(sizes) - min(sizes) <= 1 and max(sizes) <= 64


def test_other_backends_train_one_after_another(tmp_path):
    if backend.name() == "torch":
        pytest.skip("torch trains them at once")
    said = []
    finished = run_many(several(count=2, epochs=1), out=tmp_path, tell=said.append)
    assert [one.metrics["provenance"]["step"]["kind"] for one in finished] == ["stock"] * 2
    assert len(said) == 1 and f"this is {backend.name()}" in said[0]


def test_together_is_one_of_three():
    with pytest.raises(KactError, match=r"together.*'maybe'"):
        run_many([SMALL], together="maybe")


needs_torch = pytest.mark.skipif(backend.name() != "torch", reason="runs train together on torch")


@needs_torch
@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.3, "augment": ("shift(pixels=1)",), "test_curve": True},
        {"model": CNN, "batch_norm": True, "dropout": 0.2, "optimizer": "nesterov", "schedule": "one_cycle"},
        {"train_on": "train+validation", "keep": "last"},
    ],
    ids=["mlp", "cnn", "trained on all"],
)
def test_each_run_is_what_it_would_be_alone(tmp_path, changes):
    experiments = several(**changes)
    finished = run_many(experiments, out=tmp_path / "many", together="yes")
    for experiment, one in zip(experiments, finished, strict=True):
        assert one.metrics["provenance"]["step"] == {"kind": "many", "reason": None, "members": 3}
        assert_equal_runs(one, run(experiment, out=tmp_path / "alone"), tolerance=1e-4)
    image = get_task("digits").input_shape
    predicted = kact.Predictor(finished[0]).model.predict(np.zeros((1, *image)), verbose=0)
    assert predicted.shape == (1, 10)


@needs_torch
def test_a_run_that_diverges_or_stops_harms_no_other(tmp_path):
    """Members stop at different epochs, so that the rest go on in a smaller stack, and the last one alone."""
    plain = SMALL.replace(epochs=6, optimizer="momentum", learning_rate=0.02)
    experiments = [
        plain, plain.replace(seed=1, learning_rate=1e30), plain.replace(seed=2, stop_below=2.5, epochs=2),
        plain.replace(seed=3, epochs=3), plain.replace(seed=4, patience=1, learning_rate=0.5),
        plain.replace(seed=5, epochs=5, keep="last"),
    ]  # fmt: skip
    finished = run_many(experiments, out=tmp_path / "many")
    assert finished[1].diverged and finished[1].metrics["test"] is None
    assert len({one.metrics["epochs"] for one in finished}) >= 4
    for experiment, one in zip(experiments, finished, strict=True):
        alone = run(experiment, out=tmp_path / "alone")
        if one.diverged:
            assert alone.diverged and len(alone.history) == len(one.history)
        else:
            assert_equal_runs(one, alone)


@needs_torch
def test_killed_runs_go_on_from_wherever_each_of_them_is(tmp_path):
    experiments = several(count=4, dropout=0.2)
    untouched = run_many(experiments, out=tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill_in_the_second_epoch(line):
        if line.startswith("epoch 2"):
            raise Killed

    run(experiments[1], out=tmp_path / "killed")  # finished alone, by an earlier process
    with pytest.raises(Killed):
        run_many([experiments[0], experiments[2]], out=tmp_path / "killed", tell=kill_in_the_second_epoch)
    assert len(Checkpoint.load(tmp_path / "killed" / experiments[0].label / "checkpoint.npz").history) == 2
    (tmp_path / "killed" / experiments[2].label / "checkpoint.npz").unlink()  # as if it had never come so far
    for one, other in zip(run_many(experiments, out=tmp_path / "killed"), untouched, strict=True):
        assert_equal_runs(one, other)


@needs_torch
def test_who_interrupts_between_two_members_scores_loses_no_row(tmp_path, monkeypatch):
    experiments = several(count=3, epochs=3, test_curve=True)
    untouched = run_many(experiments, out=tmp_path / "whole", together="yes")
    from kact.many.member import MemberEngine

    asked, outputs_of = [], MemberEngine.outputs_of

    def interrupted(self, split):
        asked.append(split)
        if len(asked) == 10:  # the second epoch, the second member, test; each scores validation before
            raise KeyboardInterrupt
        return outputs_of(self, split)

    monkeypatch.setattr(MemberEngine, "outputs_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_many(experiments, out=tmp_path / "cut", together="yes")
    monkeypatch.undo()
    kept = [Checkpoint.load(tmp_path / "cut" / one.label / "checkpoint.npz") for one in experiments]
    assert [len(one.history) for one in kept] == [len(one.test_curve) for one in kept] == [2, 1, 1]
    for one, other in zip(run_many(experiments, out=tmp_path / "cut", together="yes"), untouched, strict=True):
        assert_equal_runs(one, other)
        assert one.file("test_curve.csv").read_text() == other.file("test_curve.csv").read_text()


@needs_torch
def test_what_cannot_train_at_once_says_why_and_trains_alone(tmp_path):
    said = []
    for changes in (
        {"activation": "rrelu"},
        {"precision": "bfloat16"},
        {"activation": "tests.own_activation:branching"},
    ):
        pair = several(count=2, epochs=1, **changes)
        for one in run_many(pair, out=tmp_path, together="yes", tell=said.append):
            assert one.metrics["provenance"]["step"]["kind"] != "many" and one.metrics["epochs"] == 1
    assert ["one after another" in line for line in said] == [True] * 3
    assert "draws random numbers" in said[0] and "bfloat16" in said[1]
    alone = run_many(several(count=2, epochs=1), out=tmp_path, together="no", tell=said.append)
    assert [one.metrics["provenance"]["step"]["kind"] for one in alone] == ["captured"] * 2 and len(said) == 3


@needs_torch
def test_auto_leaves_large_weights_alone_on_a_cpu(tmp_path, monkeypatch):
    said = []
    assert groups.why_too_large(10**6, "cuda") is None
    monkeypatch.setattr(groups, "_LARGEST_THAT_PAYS", 100)
    finished = run_many(several(count=2, epochs=1), out=tmp_path, device="cpu", tell=said.append)
    assert finished[0].metrics["provenance"]["step"]["kind"] == "captured" and "no faster" in said[0]
    finished = run_many(several(count=2, epochs=2), out=tmp_path, device="cpu", together="yes")
    assert finished[0].metrics["provenance"]["step"]["kind"] == "many"


@needs_torch
def test_auto_leaves_convolutions_alone_on_a_cpu(tmp_path):
    finished = run_many(several(count=2, epochs=1, model=CNN), out=tmp_path, device="cpu")
    assert finished[0].metrics["provenance"]["step"]["kind"] == "captured"
    assert Run.load(finished[0].path) == finished[0]


@needs_torch
@pytest.mark.parametrize(
    ("optimizer", "alike"),
    [
        ("momentum", True), ("adam(epsilon=0.001)", True), ("rmsprop", True),
        *((optimizer, False) for optimizer in (
            "sgd", "momentum", "nesterov", "adam(epsilon=0.001)", "adam(amsgrad=True, epsilon=0.001)",
            "adamw(epsilon=0.001)", "rmsprop(centered=True, momentum=0.5)", "adadelta", "adagrad",
            "lion(weight_decay=0.01)", "sgd(clipnorm=0.1)", "adam(global_clipnorm=0.5, epsilon=0.001)",
            "adam(use_ema=True, epsilon=0.001)",
        )),
    ],
)  # fmt: skip
def test_every_optimizer_moves_each_member_as_stock_keras_does(optimizer, alike):
    """With one learning rate and no penalty, or a rate, schedule and penalty each; the last batch is a partial one."""
    from kact.many.stack import Stack

    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    images = (rng.integers(0, 200, (40, 6, 6, 1)) + labels[:, None, None, None] * 25).astype(np.uint8)
    split = Split(images, labels, np.arange(40))
    data = TaskData(get_task("digits"), split, split, split, "1", "")
    rates = [0.01] * 3 if alike else [0.01, 0.002, 0.03]
    penalties = [0.0, 0.0, 0.0] if alike else [0.0, 0.01, 0.1]
    loss = losses.make_loss("cross_entropy", 3)

    def engines():
        made = []
        for seed, (rate, l2) in enumerate(zip(rates, penalties, strict=True)):
            model = build_model({"name": "mlp", "hidden_units": [7]}, (6, 6, 1), 3, mean=[120.0], std=[60.0], seed=seed)
            schedule = optimizers.make_schedule("constant" if alike else "cosine(warmup_epochs=1)", rate, 2, 3)
            made.append(make_engine("stock", model, optimizers.make_optimizer(optimizer, schedule), loss, l2))
        return made

    alone, together = engines(), engines()
    stack = Stack([one.model for one in together], loss, penalties)
    for epoch in range(2):
        batches = [epoch_batches(SMALL.replace(seed=seed, batch_size=16), data, epoch) for seed in range(3)]
        expected = [one.train_epoch(batch) for one, batch in zip(alone, batches, strict=True)]
        for found, wanted in zip(stack.train_epoch(batches), expected, strict=True):
            assert found == pytest.approx(wanted, rel=2e-6)
    for one, other in zip(alone, together, strict=True):
        variables = zip(
            [*one.model.variables, *one.model.optimizer.variables],
            [*other.model.variables, *other.model.optimizer.variables],
            strict=True,
        )
        for a, b in variables:
            a, b = backend.to_numpy(a), backend.to_numpy(b)
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=2e-6 * max(np.abs(a).max(initial=0), 1), err_msg=one)
    np.testing.assert_allclose(stack.outputs_of(split)[0][1], alone[1].predict(images), rtol=0, atol=1e-5)


@needs_torch
def test_the_private_interfaces_are_there():
    """A new Keras or torch that drops one of them says so here, by name."""
    import torch

    for name in (
        "stateless_apply",
        "update_step",
        "_apply_weight_decay",
        "_backend_update_step",
        "finalize_variable_values",
    ):
        assert hasattr(keras.optimizers.Adam, name), f"keras.Optimizer lost {name}, which kact.many.updates uses"
    adam, sgd = keras.optimizers.Adam(0.1, amsgrad=True), keras.optimizers.SGD(0.1, momentum=0.9)
    for optimizer in (adam, sgd):
        optimizer.build([keras.Variable(np.ones(2))])
    for optimizer, names in (
        (adam, ("_momentums", "_velocities", "_velocity_hats", "_iterations", "_learning_rate")),
        (sgd, ("momentums", "_iterations", "_learning_rate")),
    ):
        for name in names:
            assert hasattr(optimizer, name), f"keras.Optimizer lost {name}, which kact.many.updates uses"
    assert callable(torch._fused_sgd_) and torch.ops.aten._fused_adam_.tensor_lr
    assert torch._C._functorch.is_functorch_wrapped_tensor(torch.ones(1)) is False
