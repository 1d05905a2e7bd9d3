"""Export: a run's network for use without kact.

`network` writes it and checks what it wrote, `formats` knows ONNX, OpenVINO and PyTorch, `inputs` makes inputs to check
with, `lstm` exports a layer as one operator.
"""

from kact.export.formats import FORMATS
from kact.export.network import TOLERANCE, Exported, description, export

__all__ = ["FORMATS", "TOLERANCE", "Exported", "description", "export"]
