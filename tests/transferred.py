"""Weights of networks that were transferred, to be compared."""

import keras
import numpy as np


def numpy(value):
    return np.array(keras.ops.convert_to_numpy(value))


def by_layer(model):
    return {layer.name: [numpy(w) for w in layer.weights] for layer in model.layers if layer.weights}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
