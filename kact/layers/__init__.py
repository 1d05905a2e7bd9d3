"""Layers of our own: each computes what the layer of Keras or PyTorch that it is named after does, only better."""
