"""Kact's own layers, all at once: importing this registers with Keras whatever a saved model may hold."""

import kact.activations.layers
import kact.layers.adaptive_pooling
import kact.layers.batch_norm
import kact.layers.dropout
import kact.layers.masked_lstm  # noqa: F401
