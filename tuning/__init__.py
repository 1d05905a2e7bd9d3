"""Tuning: learning rate, L2, dropout and more, searched with KerasTuner for any task and model.

An application beside kact, run from the checkout: `python -m tuning --task cifar`. Its trials are kact runs, its result
a configuration that `kact train --config` takes as it is.
"""
