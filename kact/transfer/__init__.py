"""Transfer: `backbones` are trained layers to start from, `network` is what is built on one."""

from kact.transfer.network import build_on, layer_settings, starting_model

__all__ = ["build_on", "layer_settings", "starting_model"]
