"""How a training step runs: the batches of an epoch, and stock Keras on any backend."""
