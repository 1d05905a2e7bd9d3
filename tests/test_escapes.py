"""What escapes an experiment is told: an activation that is nowhere, others beside it, draws that no seed decides."""

import logging
from dataclasses import dataclass
from typing import ClassVar

import keras
import pytest

from kact.experiment import Experiment
from kact.models import MLP, MODELS, Model, build_model
from kact.train import run
from kact.training.escapes import escapes
from kact.transfer import build_on
from kact.transfer.backbones import Backbone

SMALLER = {"alexnet": {"filters": (4, 5, 6, 7, 8), "hidden_units": (20, 10)}}


@dataclass(frozen=True)
class Sound(Model):
    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "as blocks make it"

    def hidden(self, x, blocks):
        return blocks.hidden_dense(blocks.flatten(x), 8, name="first")


@dataclass(frozen=True)
class Plain(Model):
    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = "of Keras' own layers"

    def hidden(self, x, blocks):
        x = keras.layers.Dense(8, activation="relu", name="mine")(blocks.flatten(x))
        return keras.layers.ReLU(name="again")(keras.layers.Dense(8, kernel_initializer="zeros", name="zeros")(x))


class Mute(keras.layers.Layer):
    def __init__(self, factor, **keywords):
        super().__init__(**keywords)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


@dataclass(frozen=True)
class Scaled(Sound):
    def hidden(self, x, blocks):
        return Mute(2.0)(super().hidden(x, blocks))


def told(model, activation="mish"):
    experiment = Experiment(model=model, activation=activation)
    return list(escapes(build_model(model, (8, 8, 1), 10, activation=activation), experiment))


def test_blocks_let_nothing_escape():
    assert told(Sound()) == []
    assert told(Sound(), "prelu") == told(Sound(), "leaky_relu(negative_slope=0.2)") == []


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.input == "image"])
def test_nothing_escapes_from_kacts_own_models(name):
    side = 64 if name == "alexnet" else 32
    model = {"name": name, **SMALLER.get(name, {})}
    network = build_model(model, (side, side, 3), 10, activation="snake(a=2)")
    assert list(escapes(network, Experiment(task="cifar10", model=model, activation="snake(a=2)"))) == []


def test_what_escapes_from_a_model_of_ones_own_is_named(tmp_path, caplog):
    nowhere, others, unseeded = told(Plain())
    assert nowhere == "The activation 'mish' is nowhere in this network: any other trains the same."
    assert others.startswith("Not every non-linearity is 'mish': mine (relu), again (ReLU). Make hidden layers with")
    assert unseeded.startswith("The seed does not decide the initial weights of mine: runs cannot be repeated.")
    with caplog.at_level(logging.WARNING, "kact"):
        run(Experiment(model=Plain(), activation="mish", epochs=1, train_examples=200), out=tmp_path)
    assert [record.getMessage() for record in caplog.records] == [nowhere, others, unseeded]


def test_a_layer_that_tells_nothing_of_itself_is_passed_over():
    assert told(Scaled()) == []


def test_a_head_without_a_hidden_layer_has_no_place_for_the_activation():
    features = build_model(MLP(hidden_units=(8,)), (8, 8, 1), 10, activation="mish")
    backbone = Backbone("made", keras.Model(features.inputs, features.layers[-2].output), "0" * 64)
    shared = {"activation": "mish", "batch_norm": False, "dropout": 0.0, "initializer": "auto", "seed": 0}
    for units, count in (((), 1), ((4,), 0)):
        network = build_on(backbone, MLP(hidden_units=units), 10, freeze=True, **shared)
        experiment = Experiment(model=MLP(hidden_units=units), activation="mish", backbone="somewhere")
        found = list(escapes(network, experiment))
        assert len(found) == count and all("--hidden-units" in sentence for sentence in found)
