"""Experiment: one spelling, one hash, TOML there and back, every bad value named."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import CNN, MLP, LeNet

pytestmark = pytest.mark.any_backend

FULL = Experiment(
    task="mnist",
    model=CNN(filters=(3, 5), padding=1),
    activation="leaky_relu(negative_slope=0.002)",
    optimizer="adam(beta_1=0.89)",
    learning_rate=0.006,
    schedule="cosine(warmup_epochs=1)",
    augment=("flip", "shift(pixels=2)"),
    patience=3,
    stop_below=0.005,
    train_examples=1000,
    seed=42,
)


def test_defaults_are_filled_in():
    assert Experiment().model == MLP()
    assert Experiment(task="cifar").model == LeNet()
    assert Experiment().learning_rate == 1e-3
    assert Experiment(optimizer="sgd").learning_rate == 0.05


def test_batch_norm_is_as_the_model_does_unless_said():
    assert Experiment(model="cnn").batch_norm is True and Experiment(model="cnn", batch_norm=False).batch_norm is False
    assert Experiment(model={"name": "cnn", "filters": [4]}).batch_norm is True
    assert Experiment(model="mlp").batch_norm is False
    assert Experiment(task="cifar", model="cifar-small").batch_norm is False  # as it was published


def test_equal_settings_are_equal_and_hash_alike_however_they_are_written():
    one = Experiment(task="cifar", activation="swish", optimizer="nesterov", learning_rate=1, model="lenet")
    other = Experiment(
        task="cifar10", activation="silu", optimizer="sgd( nesterov=True,momentum=.9)", learning_rate=1.0, model=LeNet()
    )
    assert one == other and one.hash == other.hash and hash(one) == hash(other)


def test_the_hash_leaves_out_the_seed_alone():
    assert FULL.replace(seed=1).hash == FULL.hash
    assert FULL.replace(seed=1) != FULL
    changes = {
        "task": "digits", "model": MLP(), "activation": "relu", "initializer": "torch", "batch_norm": False,
        "dropout": 0.1, "l2": 1e-4, "loss": "mse", "optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant",
        "batch_size": 10, "epochs": 3, "augment": (), "validation_fraction": 0.2, "train_examples": None,
        "monitor": "loss", "keep": "last", "patience": None, "stop_below": None, "test_curve": True,
        "precision": "bfloat16", "backbone": "alexnet-imagenet", "deterministic": True,
    }  # fmt: skip
    not_alone = {"data", "freeze", "train_on"}  # each needs another field; see below
    assert set(changes) == {field.name for field in dataclasses.fields(Experiment)} - {"seed"} - not_alone
    assert len({FULL.replace(**{key: value}).hash for key, value in changes.items()} | {FULL.hash}) == len(changes) + 1


def test_the_hash_tells_data_and_frozen_backbones_apart():
    folder = Experiment(task="image_folder", data="photographs")
    assert folder.hash != folder.replace(data="other").hash
    assert folder.hash != folder.replace(task="image_folder(image_size=32)").hash
    transferred = Experiment(task="cifar", backbone="runs/one")
    assert len({one.hash for one in (transferred, transferred.replace(freeze=True), Experiment(task="cifar"))}) == 3
    assert "freeze" not in Experiment().to_dict()  # experiments of before there were backbones keep their hash
    assert Experiment.from_toml(transferred.replace(freeze=True).to_toml()).freeze


def test_the_hash_tells_what_is_trained_on_apart():
    plain = Experiment(keep="last")
    both = plain.replace(train_on="train+validation")
    assert both.hash != plain.hash and Experiment.from_toml(both.to_toml()) == both
    assert "train_on" not in plain.to_dict()  # experiments of before it could be said keep their hash
    assert Experiment().hash == "7c025156483fb97bfce9216f8540bf429e757b668e6fe4eba12045d6e453dec5"


def test_a_backbone_gets_nothing_but_the_logits_unless_a_head_is_given():
    assert Experiment(task="cifar", backbone="runs/one").model == MLP(hidden_units=())
    assert Experiment(task="cifar", backbone="runs/one", model=MLP(hidden_units=(9,))).model.hidden_units == (9,)


def test_options_of_a_task_have_one_spelling():
    made = Experiment(task="hymenoptera( image_size = 224 )")
    assert made == Experiment(task="hymenoptera")
    assert Experiment(task="hymenoptera(image_size=64)").label.startswith("hymenoptera-image_size=64-strided_cnn-relu-")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": "image_folder"}, ["data of your own", "--data"]),
        ({"task": "cifar", "data": "photographs"}, ["cifar10", "takes no 'data'", "image_folder"]),
        ({"task": "mnist(image_size=64)"}, ["mnist", "takes no parameters"]),
        ({"task": "hymenoptera(image_size=3)"}, ["image_size", "4 to 1024", "3"]),
        ({"task": "hymenoptera(side=3)"}, ["side", "image_size"]),
        ({"task": "image_folder(fit='squeeze')", "data": "x"}, ["fit", "stretch, crop, pad"]),
        ({"task": "image_folder(unreadable='hide')", "data": "x"}, ["unreadable", "refuse, skip"]),
        ({"task": "image_folder(channels=2)", "data": "x"}, ["channels", "1 (greys) or 3"]),
        ({"freeze": True}, ["freeze", "--backbone"]),
    ],
)
def test_unusable_tasks_and_backbones_are_named(given, words):
    with pytest.raises(KactError) as caught:
        Experiment(**given)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_hash_is_the_same_in_another_process_and_hash_seed():
    code = f"from kact.experiment import Experiment; print(Experiment.from_toml({FULL.to_toml()!r}).hash)"
    root = pathlib.Path(__file__).parents[1]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == FULL.hash


def test_toml_there_and_back(tmp_path):
    assert Experiment.from_toml(FULL.to_toml()) == FULL
    (tmp_path / "run.toml").write_text(FULL.to_toml())
    assert Experiment.load(tmp_path / "run.toml") == FULL
    assert Experiment.from_dict(FULL.to_dict()) == FULL


@settings(deadline=None, max_examples=50)
@given(
    learning_rate=st.floats(1e-12, 1e6),
    dropout=st.floats(0, 0.99),
    epochs=st.integers(1, 10**9),
    seed=st.integers(0, 2**31 - 1),
    widths=st.lists(st.integers(1, 10**6), max_size=5),
)
def test_toml_loses_no_digit(learning_rate, dropout, epochs, seed, widths):
    made = Experiment(
        model=MLP(hidden_units=tuple(widths)), learning_rate=learning_rate, dropout=dropout, epochs=epochs, seed=seed
    )
    again = Experiment.from_toml(made.to_toml())
    assert again == made and again.hash == made.hash


def test_a_label_is_a_file_name():
    label = Experiment(activation="leaky_relu(negative_slope=0.1)").label
    assert label.startswith("digits-mlp-leaky_relu-negative_slope=0.1-") and label.endswith("-seed0")
    assert not set(label) & set("/\\ ():*?\"<>|'")
    task = "image_folder(image_size=32, unreadable='skip')"
    assert Experiment(task=task, data="photos").label.startswith("image_folder-image_size=32-unreadable=skip-")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"task": "cifar11"}, ["task", "cifar10", "Did you mean"]),
        ({"model": "lenett"}, ["model", "Did you mean 'lenet'"]),
        ({"activation": "mush"}, ["activation", "Did you mean 'mish'"]),
        ({"activation": "relu(3)"}, ["activation", "relu(3)"]),
        ({"optimizer": "adm"}, ["optimizer", "sgd", "Did you mean 'adam'"]),
        ({"optimizer": "adam(beta1=0.5)"}, ["beta1", "Did you mean 'beta_1'"]),
        ({"optimizer": "sgd(momentum=1.5)"}, ["momentum", "below 1", "1.5"]),
        ({"optimizer": "sgd(nesterov=1)"}, ["nesterov", "True or False"]),
        ({"optimizer": "adam(epsilon=-1)"}, ["epsilon", "at least 0"]),
        ({"schedule": "cosin"}, ["schedule", "Did you mean 'cosine'"]),
        ({"schedule": "one_cycle(warmup=2)"}, ["warmup", "at most 1", "2"]),
        ({"learning_rate": -0.1}, ["learning_rate", "above 0", "-0.1"]),
        ({"learning_rate": float("nan")}, ["learning_rate", "above 0", "nan"]),
        ({"epochs": 0}, ["epochs", "at least 1", "0"]),
        ({"batch_size": 0}, ["batch_size", "at least 1"]),
        ({"dropout": 1}, ["dropout", "below 1"]),
        ({"l2": -1}, ["l2", "at least 0"]),
        ({"loss": "hinge"}, ["loss", "cross_entropy, mse"]),
        ({"initializer": "henormal"}, ["initializer", "Did you mean 'he_normal'"]),
        ({"augment": ["flop"]}, ["flop", "Did you mean 'flip'"]),
        ({"validation_fraction": 0}, ["validation_fraction", "above 0"]),
        ({"precision": "float8"}, ["precision", "float32"]),
        ({"seed": -1}, ["seed", "at least 0"]),
        ({"train_on": "trian"}, ["train_on", "Did you mean 'train'"]),
        ({"train_on": "train+validation"}, ["'keep' must be 'last'", "Got 'best'"]),
        ({"train_on": "train+validation", "keep": "last", "patience": 2}, ["'patience' must be None", "Got 2"]),
    ],
)
def test_an_unusable_value_is_named(given, words):
    with pytest.raises(KactError) as caught:
        Experiment(**given)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"task = ", ["run.toml", "not valid TOML"]),
        (b"tsak = 'digits'", ["tsak", "Did you mean 'task'"]),
        (b"\xff\xfe\x00", ["run.toml", "UTF-8"]),
        (b"[model]\nfilters = [3]", ["model", "name"]),
        (b"model = 3", ["model", "3"]),
        (b"task = 3", ["task", "3"]),
        (b"activation = ['relu']", ["activation"]),
        (b"augment = 'flip'", ["augment", "list"]),
        (b"seed = 1979-05-27", ["seed"]),
    ],
)
def test_an_unusable_file_is_named(tmp_path, content, words):
    (tmp_path / "run.toml").write_bytes(content)
    with pytest.raises(KactError) as caught:
        Experiment.load(tmp_path / "run.toml")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KactError, match=r"none\.toml.*No such file"):
        Experiment.load(tmp_path / "none.toml")


def test_a_study_is_told_where_an_experiment_is_wanted(tmp_path):
    (tmp_path / "mine.toml").write_text('[base]\ntask = "digits"\n[grid]\nactivation = ["relu", "mish"]\n')
    with pytest.raises(KactError, match=r"mine\.toml' is a study, not one experiment") as told:
        Experiment.load(tmp_path / "mine.toml")
    assert told.value.next_step == "Give it to: kact study run"
