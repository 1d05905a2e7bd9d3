"""Kact's own layers, all at once: importing this registers with Keras whatever a saved model may hold."""

import kact.activation_layers
import kact.engine.batch_norm
import kact.engine.masked_lstm
import kact.models.adaptive_pooling
import kact.models.dropout  # noqa: F401
