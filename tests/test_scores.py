"""Losses and scores, against formulas written out here and Keras' own losses."""

import keras
import numpy as np
import pytest

from kact.losses import LOSSES, data_loss, make_loss, probabilities
from kact.training.scores import score


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_that_is_trained_is_the_loss_that_is_reported(name, rng):
    outputs, labels = rng.normal(size=(32, 5)).astype("float32"), rng.integers(0, 5, 32)
    trained = keras.ops.convert_to_numpy(make_loss(name, 5)(*map(keras.ops.convert_to_tensor, (labels, outputs))))
    assert trained.shape == (32,)
    assert trained.mean() == pytest.approx(data_loss(outputs, labels, name), rel=1e-5)


def test_losses_are_their_formulas(rng):
    outputs, labels = rng.normal(size=(8, 3)), rng.integers(0, 3, 8)
    softmax = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    assert data_loss(outputs, labels, "cross_entropy") == pytest.approx(-np.log(softmax[range(8), labels]).mean())
    assert data_loss(outputs, labels, "mse") == pytest.approx(((outputs - np.eye(3)[labels]) ** 2).mean())
    np.testing.assert_allclose(probabilities(outputs, "cross_entropy"), softmax)


def test_large_outputs_give_finite_losses_and_infinite_ones_nan():
    assert data_loss(np.array([[1e4, -1e4]]), np.array([1]), "cross_entropy") == pytest.approx(2e4)
    assert np.isnan(data_loss(np.array([[np.inf, 0.0]]), np.array([1]), "cross_entropy"))


def test_probabilities_of_mse_outputs_sum_to_one():
    found = probabilities(np.array([[-1.0, -2.0], [0.2, 0.2], [2.0, 1.0]]), "mse")
    np.testing.assert_allclose(found, 0.5)


def test_scores_count_what_they_say():
    labels = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 0, 0])
    scores = score(np.eye(3)[predicted], labels, ("a", "b", "c"), "cross_entropy")
    assert scores["confusion"] == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert scores["accuracy"] == 0.5 and scores["examples"] == 6
    assert scores["per_class"]["a"] == {"precision": 0.5, "recall": 2 / 3, "f1": pytest.approx(4 / 7), "examples": 3}
    assert scores["per_class"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 1}
    assert scores["precision"] == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert scores["f1"] == pytest.approx((4 / 7 + 0.5 + 0) / 3)
