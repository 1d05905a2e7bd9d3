"""`kact export`: write a run's network for use without kact."""

from typing import Annotated

from kact.flags import Flag, call

_ABOUT = """Write a run's network to a file that needs neither kact nor Keras.
The file takes batches of any size and, of a tagger, sentences of any length. It is run beside the model before it is
handed over, and deleted if it differs. Labels, inputs (shapes, units, a tagger's vocabulary), task and the run's hash
travel in it.

  kact export RUN                                        RUN/model.onnx, for ONNX Runtime
  kact export RUN --format openvino --out net/model.xml  model.xml and model.bin, for OpenVINO
  kact export RUN --format torch                         RUN/model.pt2, for torch.export.load("model.pt2").module()

The labels: onnx.load(F).metadata_props, openvino.Core().read_model(F).get_rt_info(["kact", "labels"]), or in PyTorch
  about = {"kact.labels": ""}; torch.export.load(F, extra_files=about)
"""


def main(arguments: list[str]) -> int:
    """Run `kact export` and return its exit code."""

    def export(
        run: Annotated[str, Flag("directory of a finished run", "RUN", positional=True)],
        format: Annotated[str, Flag("onnx, openvino or torch")] = "onnx",
        out: Annotated[str | None, Flag("RUN/model.onnx, model.xml or model.pt2 unless said", "FILE")] = None,
    ) -> int:
        from kact.export import export as write

        written = write(run, format, out)
        of = " of {}, {} and {} tokens".format(*written.steps) if written.steps else ""
        print(
            f"{written.path}  (run on {written.examples} inputs in batches of 1, 3 and 8{of}:"
            f" differs from the model by at most {written.difference:.1e})"
        )
        return 0

    return call(export, arguments, "kact export", _ABOUT)
