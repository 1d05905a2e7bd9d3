"""The tasks: what each record promises, how the splits are cut, and that none of it needs TensorFlow or Keras."""

import itertools
import logging
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from kact import tasks
from kact.errors import KactError
from kact.tasks import ALIASES, TASKS, get_task, load_data, load_task
from kact.tasks.split import stratified_cut, stratified_order
from kact.tasks.task import Identity, RawArrays, Split

pytestmark = pytest.mark.any_backend

needs_tfds_data = pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
IMAGE_TASKS = [name for name, task in TASKS.items() if task.input == "image"]  # others: test_tagging_tasks.py
TASK_NAMES = [
    pytest.param(name, marks=() if name == "digits" else (pytest.mark.realdata, needs_tfds_data))
    for name in ("digits", "mnist", "cifar10")
]
TEST_SIZES = {"digits": 359, "mnist": 10000, "cifar10": 10000}
TRAIN_SIZES = {"digits": 1438, "mnist": 60000, "cifar10": 50000}


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(monkeypatch, shared_cache):
    monkeypatch.setenv("KACT_CACHE_DIR", str(shared_cache))


def made_task(labels, class_count=3):
    """A task of 4x4 images of two channels; the first channel of each holds its row number."""
    labels = np.asarray(labels, np.int64)
    inputs = np.zeros((len(labels), 4, 4, 2), np.uint8)
    inputs[..., 0] = (np.arange(len(labels)) % 256)[:, None, None]
    raw = RawArrays(inputs, labels, inputs[:5].copy(), labels[:5].copy())
    return replace(
        TASKS["cifar10"],
        name="made",
        labels=tuple("abcdefghij"[:class_count]),
        input_shape=(4, 4, 2),
        identify=lambda: Identity("1", str(hash(labels.tobytes()))),
        read=lambda: raw,
    )


# --- the registry ---


@pytest.mark.parametrize("name", IMAGE_TASKS)
def test_each_record_is_complete_and_fits_its_channels(name):
    task = TASKS[name]
    assert task.name == name
    if not task.needs_data:
        assert len(set(task.labels)) == len(task.labels) >= 2
        assert len(task.mean) == len(task.std) == task.input_shape[-1]
        assert min(task.std) > 0
    assert bool(task.parameters) == bool(task.resolve or task.check_options)
    assert task.source.startswith("http") and task.licence and "\n" not in task.summary


def test_an_alias_leads_to_the_same_record():
    assert get_task("cifar") is get_task("cifar10")
    assert not set(ALIASES) & set(TASKS)
    assert set(ALIASES.values()) <= set(TASKS)


def test_an_unknown_task_is_told_the_choices_and_the_nearest():
    with pytest.raises(KactError, match=r"'task'.*digits, mnist, cifar10.*Did you mean 'mnist'"):
        load_task("mnits")


# --- the data itself ---


@pytest.mark.parametrize("name", TASK_NAMES)
def test_arrays_are_what_the_record_promises(name):
    data = load_task(name)
    task = data.task
    assert len(data.train) + len(data.validation) == TRAIN_SIZES[name]
    assert len(data.test) == TEST_SIZES[name]
    for split in (data.train, data.validation, data.test):
        inputs, labels = split.arrays()
        assert inputs.dtype == np.uint8 and inputs.shape == (len(split), *task.input_shape)
        assert labels.dtype == np.int64 and labels.shape == (len(split),)
        assert np.array_equal(np.unique(labels), np.arange(len(task.labels)))
    assert len(data.fingerprint) == 64


@pytest.mark.parametrize("name", TASK_NAMES)
def test_train_validation_and_test_share_no_example(name):
    data = load_task(name)
    assert not set(data.train.rows.tolist()) & set(data.validation.rows.tolist())
    assert data.train.inputs is data.validation.inputs  # the same base, so that rows can be compared
    assert not np.shares_memory(data.train.inputs, data.test.inputs)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_validation_is_stratified(name):
    data = load_task(name)
    every = np.bincount(data.train.labels)
    assert np.abs(np.bincount(data.validation.arrays()[1]) - every * 0.1).max() <= 0.5


def test_digits_are_the_stored_ink_values():
    data = load_task("digits")
    pixels = np.asarray(data.train.inputs, np.float64)
    assert pixels.min() == 0 and pixels.max() == 255
    assert pixels.mean() == pytest.approx(data.task.mean[0], abs=0.05)
    assert pixels.std() == pytest.approx(data.task.std[0], abs=0.05)


def test_digits_are_cut_as_they_always_were():
    data = load_task("digits")
    assert np.bincount(data.test.labels).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    assert data.fingerprint == "0d6cbe749bcd33fa1d05824e1817587c1acf2f449a65ed2181fd176c7e400d85"
    assert data.validation.rows[:6].tolist() == [1, 6, 11, 12, 35, 40]


@pytest.mark.realdata
@needs_tfds_data
def test_mnist_is_normalised_by_its_own_mean_and_deviation():
    data = load_task("mnist")
    pixels = np.asarray(data.train.inputs, np.float32)
    assert pixels.mean() == pytest.approx(data.task.mean[0], abs=0.05)
    assert pixels.std() == pytest.approx(data.task.std[0], abs=0.05)


@pytest.mark.realdata
@needs_tfds_data
def test_cifar10_has_as_many_of_each_class():
    data = load_task("cifar")
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert np.bincount(data.validation.arrays()[1]).tolist() == [500] * 10


def test_cifar10_in_another_size(monkeypatch):
    from kact.tasks import cifar10

    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    pixels[0] = 7
    labels = np.arange(12) % 10
    stored = RawArrays(pixels, labels, pixels, labels)
    made = SimpleNamespace(identify=lambda: Identity("1", "made"), read=lambda: stored)
    monkeypatch.setattr(cifar10, "_SET", made)
    large, plain = get_task("cifar10(image_size=96)"), get_task("cifar10(image_size=32)")
    assert plain is get_task("cifar10") and large.input_shape == (96, 96, 3)
    assert large.identify() != made.identify()
    raw = large.read()
    large.check(raw)
    assert (raw.train_inputs[0] == 7).all() and raw.test_labels is labels
    # Brought back to 32 pixels by their middles, nine to one, they are the same pictures.
    middles = raw.train_inputs[:, 1::3, 1::3].astype(int)
    assert np.abs(middles - pixels).max() <= 1
    with pytest.raises(KactError, match="image_size"):
        get_task("cifar10(image_size=1)")


# --- the splits ---


def test_the_same_split_each_time():
    first, second = load_task("digits", train_examples=200), load_task("digits", train_examples=200)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(first, part).rows, getattr(second, part).rows)
    assert first.fingerprint == second.fingerprint


def test_smaller_training_sets_are_part_of_larger_ones_and_leave_validation_alone():
    sizes = [10, 11, 57, 500, 1293]
    found = [load_task("digits", train_examples=size) for size in sizes]
    assert [len(data.train) for data in found] == sizes
    for smaller, larger in itertools.pairwise(found):
        assert set(smaller.train.rows.tolist()) < set(larger.train.rows.tolist())
        assert np.array_equal(smaller.validation.rows, larger.validation.rows)
    assert np.bincount(found[0].train.arrays()[1]).tolist() == [1] * 10
    assert np.ptp(np.bincount(found[2].train.arrays()[1])) <= 1


def test_validation_can_be_trained_on_as_well():
    apart, both = load_task("digits"), load_task("digits", train_on="train+validation")
    assert both.train.rows.tolist() == sorted([*apart.train.rows.tolist(), *apart.validation.rows.tolist()])
    assert len(both.validation) == 0 and both.test.rows.tolist() == apart.test.rows.tolist()
    assert both.fingerprint == apart.fingerprint
    fewer = load_task("digits", train_on="train+validation", train_examples=200)
    assert len(fewer.train) == 200 and len(fewer.validation) == 0
    with pytest.raises(KactError, match=r"train_on.*Did you mean 'train'"):
        load_task("digits", train_on="trian")


def test_a_subset_keeps_the_proportions_of_uneven_classes():
    labels = np.repeat([0, 1, 2], [600, 300, 6])
    order = stratified_order(labels, seed=1)
    assert np.array_equal(np.sort(order), np.arange(906))
    assert np.unique(labels[order[:3]]).tolist() == [0, 1, 2]
    for size in (10, 100, 500):
        share = np.bincount(labels[order[:size]], minlength=3) - size * np.array([600, 300, 6]) / 906
        assert np.abs(share).max() < 1.5


@pytest.mark.parametrize("fraction", [0.001, 0.5])
def test_each_class_gives_one_and_keeps_one(fraction):
    labels = np.repeat([0, 1, 2], [2, 3, 200])
    kept, cut = stratified_cut(labels, fraction, seed=5)
    assert np.bincount(labels[kept]).min() >= 1 and np.bincount(labels[cut]).min() >= 1
    assert np.array_equal(np.sort(np.concatenate([kept, cut])), np.arange(205))


def test_the_cut_does_not_follow_the_order_of_the_data():
    kept, cut = stratified_cut(np.zeros(1000, np.int64), 0.1, seed=5)
    assert kept.dtype == cut.dtype == np.int64
    assert 400 < cut.mean() < 600


@pytest.mark.parametrize("fraction", [0, -0.1, 0.51, 1, float("nan"), True, "0.1", None])
def test_a_validation_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(KactError, match="validation_fraction"):
        load_task("digits", validation_fraction=fraction)


@pytest.mark.parametrize("count", [0, 9, -1, 1294, 100.0, True, "all"])
def test_a_number_of_training_examples_out_of_range_is_refused(count):
    with pytest.raises(KactError, match=r"train_examples.*from 10 .*to 1293"):
        load_task("digits", train_examples=count)


def test_a_class_with_one_example_cannot_be_split():
    with pytest.raises(KactError, match="only 1 training example"):
        load_data(made_task([0, 0, 1, 1, 2]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_inputs": np.zeros((9, 4, 4, 1), np.uint8)}, "has inputs of uint8"),
        ({"test_inputs": np.zeros((5, 4, 4, 2), np.float32)}, "has inputs of float32"),
        ({"train_labels": np.zeros(8, np.int64)}, "9 inputs and labels of int64"),
        ({"train_labels": np.arange(9) % 3 + 1}, r"labels outside 0\.\.2"),
        ({"train_labels": np.arange(9) % 2}, "no example of 'c'"),
    ],
)
def test_data_that_is_not_the_tasks_is_refused(changed, message):
    task = made_task(np.arange(9) % 3)
    wrong = replace(task.read(), **changed)
    with pytest.raises(KactError, match=message):
        load_data(replace(task, identify=lambda: Identity("1", message), read=lambda: wrong))


# --- a split ---


def test_take_gathers_a_batch_in_the_order_asked_for():
    data = load_data(made_task(np.arange(30) % 3), validation_fraction=0.2)
    inputs, labels = data.validation.take([2, 0, 2])
    assert inputs[:, 0, 0, 0].tolist() == data.validation.rows[[2, 0, 2]].tolist()
    assert labels.tolist() == (data.validation.rows[[2, 0, 2]] % 3).tolist()
    assert type(inputs) is np.ndarray and inputs.flags.writeable
    assert not np.shares_memory(inputs, data.validation.inputs)


def test_arrays_are_the_whole_split_in_order():
    data = load_data(made_task(np.arange(30) % 3))
    for split in (data.train, data.validation, data.test):
        taken = split.take(np.arange(len(split)))
        assert all(np.array_equal(all_of, some) for all_of, some in zip(split.arrays(), taken, strict=True))


def test_nobody_writes_into_the_shared_arrays(monkeypatch, tmp_path, caplog):
    blocked = tmp_path / "a file"
    blocked.touch()
    for place in (tmp_path, blocked):  # with a cache and without
        monkeypatch.setenv("KACT_CACHE_DIR", str(place))
        with pytest.raises(ValueError, match="read-only"):
            load_task("digits").train.inputs[0] = 1


def test_indices_beyond_a_split_are_refused():
    split = Split(np.zeros((9, 1)), np.zeros(9, np.int64), rows=np.array([3, 4]))
    with pytest.raises(IndexError):
        split.take([2])


# --- what it does not need ---


def test_importing_the_tasks_imports_nothing_heavy():
    code = (
        "import sys, kact.tasks, kact.tasks.augmentation;"
        "heavy = {'keras', 'torch', 'tensorflow', 'tensorflow_datasets', 'sklearn', 'PIL', 'jax'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(tasks.__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_digits_from_the_cache_do_not_import_scikit_learn(caplog):
    caplog.set_level(logging.WARNING, logger="kact")
    load_task("digits")
    code = "import sys; from kact.tasks import load_task; load_task('digits'); print('sklearn' in sys.modules)"
    root = os.path.dirname(os.path.dirname(os.path.dirname(tasks.__file__)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False" and not done.stderr
    assert not caplog.records
