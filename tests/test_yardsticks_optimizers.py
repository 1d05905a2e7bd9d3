"""Every optimizer that kact offers against `torch.optim` on the same problem, by hand and in a whole training run.

What differs by design, each told apart below:

- Adam, AdamW: Keras adds epsilon to the root of the uncorrected second moment (the paper's "epsilon hat"), PyTorch to
  the corrected one. Keras' epsilon at step t is PyTorch's epsilon / sqrt(1 - beta_2^t).
- RMSprop, Adagrad: Keras adds epsilon under the root, PyTorch beside it: Keras' 1e-7 slows weights whose gradients are
  below 3e-4, PyTorch's 1e-8 only such as are below 1e-8.
- Momentum: Keras keeps the velocity multiplied by the learning rate, PyTorch without it. Nesterov's form is the same in
  both (Sutskever et al. 2013). At a constant rate neither can be told apart.
- `clipnorm` cuts the gradient of each weight by itself; PyTorch's `clip_grad_norm_` is `global_clipnorm`.
- Lion is not in PyTorch: it is held to the paper's algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import swa_utils

from kact import backend, losses, optimizers
from kact.engine import make_engine
from kact.models import build_model
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from tests.twins import Images, pairs, take_weights

STEPS = 25


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, https://arxiv.org/abs/2302.06675."""

    def __init__(self, weights, lr, betas, weight_decay):
        super().__init__(weights, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                memory = self.state[weight].setdefault("memory", torch.zeros_like(weight))
                update = (first * memory + (1 - first) * weight.grad).sign()
                weight -= group["lr"] * (update + group["weight_decay"] * weight)
                memory.mul_(second).add_(weight.grad, alpha=1 - second)


CASES: dict[str, tuple[float, Callable[..., torch.optim.Optimizer]]] = {
    "sgd": (0.05, lambda w: torch.optim.SGD(w, 0.05)),
    "momentum": (0.02, lambda w: torch.optim.SGD(w, 0.02, momentum=0.9)),
    "nesterov": (0.02, lambda w: torch.optim.SGD(w, 0.02, momentum=0.9, nesterov=True)),
    "sgd(momentum=0.5, nesterov=True)": (0.05, lambda w: torch.optim.SGD(w, 0.05, momentum=0.5, nesterov=True)),
    "adam": (0.02, lambda w: torch.optim.Adam(w, 0.02)),
    "adam(beta_1=0.8, beta_2=0.95)": (0.02, lambda w: torch.optim.Adam(w, 0.02, betas=(0.8, 0.95))),
    "adam(amsgrad=True)": (0.02, lambda w: torch.optim.Adam(w, 0.02, amsgrad=True)),
    "adamw": (0.02, lambda w: torch.optim.AdamW(w, 0.02)),
    "adamw(weight_decay=0.3)": (0.02, lambda w: torch.optim.AdamW(w, 0.02, weight_decay=0.3)),
    "rmsprop": (0.01, lambda w: torch.optim.RMSprop(w, 0.01, alpha=0.9)),
    "rmsprop(momentum=0.5)": (0.01, lambda w: torch.optim.RMSprop(w, 0.01, alpha=0.9, momentum=0.5)),
    "adadelta": (1.0, lambda w: torch.optim.Adadelta(w, 1.0)),
    "adagrad": (0.1, lambda w: torch.optim.Adagrad(w, 0.1, initial_accumulator_value=0.1)),
    "lion": (0.01, lambda w: Lion(w, 0.01, (0.9, 0.99), 0.0)),
    "lion(weight_decay=0.2)": (0.01, lambda w: Lion(w, 0.01, (0.9, 0.99), 0.2)),
}


def test_each_optimizer_has_its_yardstick():
    assert {optimizers.canonical_optimizer(spec).split("(")[0] for spec in CASES} == set(optimizers.OPTIMIZERS)


def slope(weights):
    """The gradient of an ill-conditioned quadratic, whose curvatures are 0.2 to 4."""
    return np.geomspace(0.2, 4, weights.size, dtype="float32") * (weights - 1)


def walk(spec, rate, steps=STEPS, start=(3.0, -2.0, 0.5, 7.0)):
    """Where a Keras optimizer takes four weights."""
    optimizer = optimizers.make_optimizer(optimizers.canonical_optimizer(spec), rate)
    variable = keras.Variable(np.array(start, "float32"))
    optimizer.build([variable])
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(slope(backend.to_numpy(variable)))])
    optimizer.finalize_variable_values([variable])
    return backend.to_numpy(variable)


def torch_walk(make, steps=STEPS, start=(3.0, -2.0, 0.5, 7.0), change=lambda weight, step: None):
    """Where a PyTorch optimizer takes them; `change` sees the weight, with its gradient, before each step."""
    weight = nn.Parameter(torch.tensor(start))
    optimizer = make([weight])
    for step in range(1, steps + 1):
        weight.grad = torch.from_numpy(slope(weight.detach().numpy()))
        change(weight, step)
        optimizer.step()
    return weight.detach().numpy()


@pytest.mark.parametrize("spec", CASES)
def test_it_goes_where_pytorchs_goes(spec):
    rate, make = CASES[spec]
    found, expected = walk(spec, rate), torch_walk(make)
    assert np.abs(expected - [3.0, -2.0, 0.5, 7.0]).max() > 0.02
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "cut"),
    [
        ("sgd(global_clipnorm=0.5)", lambda weight: nn.utils.clip_grad_norm_([weight], 0.5)),
        ("sgd(clipnorm=0.5)", lambda weight: nn.utils.clip_grad_norm_([weight], 0.5)),  # one weight: its own norm
        ("sgd(clipvalue=0.3)", lambda weight: nn.utils.clip_grad_value_([weight], 0.3)),
    ],
)
def test_gradients_are_cut_as_pytorch_cuts_them(spec, cut):
    expected = torch_walk(lambda w: torch.optim.SGD(w, 0.05), change=lambda weight, step: cut(weight) and None)
    np.testing.assert_allclose(walk(spec, 0.05), expected, atol=1e-5)
    assert np.abs(walk("sgd", 0.05) - expected).max() > 0.1


def test_running_averages_of_weights_are_pytorchs():
    weight = nn.Parameter(torch.tensor((3.0, -2.0, 0.5, 7.0)))
    optimizer = torch.optim.SGD([weight], 0.05)
    model = nn.ParameterList([weight])
    averaged = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8))
    for _ in range(STEPS):
        weight.grad = torch.from_numpy(slope(weight.detach().numpy()))
        optimizer.step()
        averaged.update_parameters(model)
    expected = next(iter(averaged.module.parameters())).detach().numpy()
    np.testing.assert_allclose(walk("sgd(use_ema=True, ema_momentum=0.8)", 0.05), expected, atol=1e-5)


# Where epsilon stands


def test_adams_epsilon_stands_beside_the_uncorrected_moment():
    epsilon, rate = 0.3, 0.05

    def make(weights):
        make.optimizer = torch.optim.Adam(weights, rate, eps=epsilon)
        return make.optimizer

    def hat(weight, step):
        make.optimizer.param_groups[0]["eps"] = epsilon / (1 - 0.999**step) ** 0.5

    found = walk(f"adam(epsilon={epsilon})", rate)
    np.testing.assert_allclose(found, torch_walk(make, change=hat), atol=1e-5)
    assert np.abs(found - torch_walk(make)).max() > 0.1


@pytest.mark.parametrize("spec", ["rmsprop", "adagrad"])
def test_rmsprops_and_adagrads_epsilon_stands_under_the_root(spec):
    epsilon, rate, weight = 0.3, 0.05, np.array((3.0, -2.0, 0.5, 7.0), "float32")
    moment = np.full(4, 0.1 if spec == "adagrad" else 0.0)
    for _ in range(5):
        gradient = slope(weight)
        moment = moment + gradient**2 if spec == "adagrad" else 0.9 * moment + 0.1 * gradient**2
        weight = weight - rate * gradient / np.sqrt(moment + epsilon)
    np.testing.assert_allclose(walk(f"{spec}(epsilon={epsilon})", rate, steps=5), weight, atol=1e-5)
    kind = {"rmsprop": {"alpha": 0.9}, "adagrad": {"initial_accumulator_value": 0.1}}[spec]
    name = {"rmsprop": "RMSprop", "adagrad": "Adagrad"}[spec]
    beside = torch_walk(lambda w: getattr(torch.optim, name)(w, rate, eps=epsilon, **kind), steps=5)
    assert np.abs(beside - weight).max() > 1e-2


def test_centred_rmsprop_divides_by_the_spread_alone():
    """Where gradients hardly change, the spread is next to nothing, and so epsilon's place matters: a formula here."""
    weight = np.array((3.0, -2.0, 0.5, 7.0))
    square, mean, rate = np.zeros(4), np.zeros(4), 0.01
    for _ in range(STEPS):
        gradient = slope(weight.astype("float32"))
        square, mean = 0.9 * square + 0.1 * gradient**2, 0.9 * mean + 0.1 * gradient
        weight = weight - rate * gradient / np.sqrt(square - mean**2 + 1e-7)
    np.testing.assert_allclose(walk("rmsprop(centered=True)", rate), weight, atol=1e-4)


# In a training run, as kact's engine makes it


def apart_after_a_run(spec, epsilon=None):
    """The largest difference of any weight after three epochs of kact's engine and of a plain PyTorch loop.

    `epsilon` is for both where it is given, and each one's own otherwise.
    """
    rate, make = CASES[spec]
    shape, count, batch, epochs = (3, 3, 2), 40, 16, 3
    model = build_model({"name": "mlp", "hidden_units": [7]}, shape, 3, activation="tanh")
    twin = Images(shape, [], [], [7], 3, torch.tanh)
    take_weights(twin, model)
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(count, *shape)).astype("float32"), rng.integers(0, 3, count)
    theirs, ours = make(list(twin.parameters())), optimizers.make_optimizer(spec, rate)
    if epsilon is not None and "eps" in theirs.defaults:
        theirs.param_groups[0]["eps"] = ours.epsilon = epsilon
    trained = make_engine("auto", model, ours, losses.make_loss("cross_entropy", 3), 0)
    for epoch in range(epochs):
        batches = EpochBatches(Split(inputs, labels, np.arange(count)), batch, (), 5, epoch)
        trained.train_epoch(batches)
        for start in range(0, count, batch):
            chosen = batches.order[start : start + batch]
            theirs.zero_grad()
            given = twin(torch.from_numpy(inputs[chosen]))
            nn.functional.cross_entropy(given, torch.from_numpy(labels[chosen])).backward()
            theirs.step()
    assert trained.reason is None
    return max(np.abs(value - held.detach().numpy()).max() for held, value in pairs(twin, model))


torchs_engine = pytest.mark.skipif(
    backend.name() != "torch", reason="the captured step is torch's; Keras' own is held to it above"
)


@torchs_engine
@pytest.mark.parametrize("spec", CASES)
def test_a_run_ends_where_a_pytorch_loop_ends(spec):
    """With an epsilon of next to nothing, wherever it stands; Adadelta starts from it, and has it in the same place."""
    assert apart_after_a_run(spec, None if spec == "adadelta" else 1e-14) < 1e-5


@torchs_engine
def test_with_the_default_epsilons_of_both_rmsprop_ends_elsewhere():
    assert 0.005 < apart_after_a_run("rmsprop") < 0.05
