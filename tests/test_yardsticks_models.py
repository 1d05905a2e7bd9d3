"""Every model against a plain PyTorch twin with the same weights: its logits, and its weights after a training step.

What differs by design: PyTorch's batch norm keeps a running variance of n / (n - 1) times the batch's, Keras the
batch's own; and its LSTM has two biases where Keras has one.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from kact import backend, losses, optimizers
from kact.engine import make_engine
from kact.models import MODELS, build_model, build_tagger
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.text.clusters import Clusters
from kact.text.encoded import EncodedSplit
from kact.text.token_batches import TokenBatches
from kact.text.vocabulary import Vocabulary
from tests.corpus import TAGS, sentences
from tests.twins import Dense, Images, Words, pairs, take_weights

RATE, PENALTY, MOMENTUM = 0.05, 0.01, 0.9
IMAGES = {
    # name: sizes, image, convolutions (filters, kernel, stride, padding), pools, units, side of averaged maps
    "mlp": ({"hidden_units": [16, 8]}, (6, 6, 2), [], [], (16, 8), None),
    "cnn": ({"filters": [4, 6], "hidden_units": [10]}, (9, 8, 2), [(4, 3, 1, 1), (6, 3, 1, 1)], [2, 2], (10,), None),
    "lenet": ({}, (32, 32, 3), [(6, 5, 1, 0), (16, 5, 1, 0)], [2, 2], (120, 84), None),
    "strided_cnn": (
        {"filters": [4, 5, 6]}, (17, 20, 3), [(4, 5, 2, 2), (5, 3, 2, 1), (6, 3, 2, 1)], [None] * 3, (), None
    ),
    "alexnet": (
        {"filters": [8, 6, 7, 8, 5], "hidden_units": [16, 12], "dense_dropout": 0.0},
        (67, 63, 3),
        [(8, 11, 4, 2), (6, 5, 1, 2), (7, 3, 1, 1), (8, 3, 1, 1), (5, 3, 1, 1)],
        [(3, 2), (3, 2), None, None, (3, 2)],
        (16, 12),
        6,
    ),
}  # fmt: skip
WORDS = {
    "window_tagger": ({"hidden_units": [12, 9], "window": 3, "character_filters": 5}, 3, 0, (12, 9)),
    "bilstm_tagger": ({"lstm_units": 7, "hidden_units": [9]}, 1, 7, (9,)),
}
CASES = [
    ("mlp", "mish", False), ("mlp", "silu", True), ("cnn", "gelu", True), ("cnn", "relu", False),
    ("lenet", "relu", False), ("strided_cnn", "elu", True), ("alexnet", "relu", False),
    ("window_tagger", "silu", True), ("window_tagger", "relu", False), ("bilstm_tagger", "tanh", False),
]  # fmt: skip


if backend.name() != "torch":  # enough to see each kind of layer once, where each case takes seconds to compile
    CASES = [case for case in CASES if case[:2] in (("mlp", "silu"), ("cnn", "gelu"), ("window_tagger", "silu"))]


def activation(name):
    return torch.tanh if name == "tanh" else getattr(functional, name)


def image_pair(name, activated, batch_norm):
    """The Keras model, its twin, one batch for each, and the labels."""
    sizes, shape, convolutions, pools, units, average = IMAGES[name]
    model = build_model({"name": name, **sizes}, shape, 3, activation=activated, batch_norm=batch_norm)
    pooling = [None if pool is None else nn.MaxPool2d(*np.atleast_1d(pool).tolist()) for pool in pools]
    chosen = activation(activated)
    twin = Images(shape, convolutions, pooling, units, 3, chosen, batch_norm, average)
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(12, *shape)).astype("float32")
    labels = rng.integers(0, 3, 12)
    batches = EpochBatches(Split(inputs, labels, np.arange(12)), 12, (), seed=0, epoch=0)
    return model, twin, inputs, torch.from_numpy(inputs), labels, batches, np.ones(12, bool)


def word_pair(name, activated, batch_norm):
    """The same for sentences; the last thing says which of the model's outputs are of tokens."""
    sizes, window, lstm_units, units = WORDS[name]
    made = sentences(14)
    tokens = [[token for token, _ in sentence] for sentence in made]
    tags = [[TAGS.index(tag) for _, tag in sentence] for sentence in made]
    words = {token: ("01" * (index % 3 + 1), 12 + index) for index, token in enumerate(tokens[0])}
    known = Vocabulary.build(
        tokens,
        TAGS,
        characters="character_filters" in sizes,
        clusters=Clusters(words),
        name_lists={"female": frozenset({"anne"})},
    )
    given = {"word_dropout": 0.0, "cluster_dropout": 0.0, "clusters": True, "name_lists": True, **sizes}
    kind = MODELS[name](**given)
    model = build_tagger(kind, known.inputs, len(TAGS), activation=activated, batch_norm=batch_norm)
    looked_up = {"word": 64, "clusters": 24, "affixes": 16, "shape": 16, "characters": 16}
    features = known.inputs
    twin = Words(
        {
            key: (features[key].rows, count, features[key].width or 1)
            for key, count in looked_up.items()
            if key in features
        },
        {key: features[key].width for key in ("spelling", "count", "cluster_count", "names")},
        window,
        lstm_units,
        units,
        len(TAGS),
        activation(activated),
        batch_norm,
        sizes.get("character_filters", 0),
    )
    split = EncodedSplit.of(tokens, tags, known)
    batches = TokenBatches(split, len(TAGS), len(split), 0.0, 0.0, seed=0, epoch=0)
    inputs, labels = split.take(range(len(split)))
    real = labels >= 0
    return model, twin, inputs, {key: torch.from_numpy(one) for key, one in inputs.items()}, labels[real], batches, real


def made(name, activated, batch_norm):
    pair = (image_pair if name in IMAGES else word_pair)(name, activated, batch_norm)
    take_weights(pair[1], pair[0])
    return pair


@pytest.mark.skipif(backend.name() != "torch", reason="some of them are left out elsewhere")
def test_each_model_has_a_twin():
    assert {name for name, *_ in CASES} == set(MODELS)


@pytest.mark.parametrize(("name", "activated", "batch_norm"), CASES)
def test_logits_and_a_training_step_are_those_of_plain_pytorch(name, activated, batch_norm):
    model, twin, inputs, sent, labels, batches, real = made(name, activated, batch_norm)
    found = np.asarray(model.predict_on_batch(inputs))[real]
    with torch.no_grad():
        expected = twin.eval()(sent).numpy()
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)

    optimizer = optimizers.make_optimizer(f"sgd(momentum={MOMENTUM})", RATE)
    engine = make_engine("auto", model, optimizer, losses.make_loss("cross_entropy", expected.shape[-1]), PENALTY)
    told = engine.train_epoch(batches)
    assert engine.reason is None
    step = torch.optim.SGD(
        [weight for weight in twin.parameters() if weight.requires_grad],
        RATE, momentum=MOMENTUM, weight_decay=PENALTY,
    )  # fmt: skip
    loss = functional.cross_entropy(twin.train()(sent), torch.from_numpy(labels))
    before = [weight.detach().clone() for weight in twin.parameters()]
    loss.backward()
    step.step()
    assert told["loss"] == pytest.approx(loss.item(), abs=1e-5)
    moved = [(one - other).abs().max() for one, other in zip(before, twin.parameters(), strict=True)]
    assert torch.stack(moved).max().detach() > 1e-3
    variances = {id(one): one for one in (getattr(layer, "running_var", None) for layer in twin.modules())}
    for held, value in pairs(twin, model):
        if id(held) in variances:
            continue
        np.testing.assert_allclose(value, held.detach().numpy(), atol=1e-5)


def test_pytorchs_running_variance_is_of_n_minus_1_and_kerass_of_n():
    model, twin, inputs, sent, _, _, _ = made("mlp", "relu", True)
    model(inputs, training=True)
    twin.train()(sent)
    name, n = "dense1_norm", len(sent)
    kept = np.asarray(model.get_layer(name).get_weights()[3])
    unbiased = twin.named[name].running_var.numpy()
    np.testing.assert_allclose((kept - 0.9) * n / (n - 1) + 0.9, unbiased, atol=1e-6)
    assert np.abs(kept - unbiased).max() > 1e-3


def test_a_twin_of_other_weights_is_told_apart():
    """The comparison can fail."""
    model, twin, inputs, sent, *_ = made("mlp", "mish", False)
    twin.named["logits"].bias.data[0] += 1e-3
    assert np.abs(np.asarray(model.predict_on_batch(inputs)) - twin(sent).detach().numpy()).max() > 5e-4
    assert isinstance(twin.dense, Dense)
