"""Predictor: a trained run and an image in, labels with probabilities out.

Any image that Pillow can open, in any mode and size up to a stated limit, is turned upright, laid on white where it is
transparent, brought to 8 bits and to the model's size and channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import backend, losses
from kact.errors import KactError
from kact.runs import Run
from kact.tasks import get_task

if TYPE_CHECKING:
    import keras
    from PIL import Image

LARGEST_PIXELS = 64_000_000  # an upright 8000x8000; above it a small file could fill the memory


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        label: the likeliest class.
        probability: of that class, in [0, 1].
        probabilities: of every class, likeliest first.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


class Predictor:
    """Predicts with the model of a finished run.

    Args:
        run: a run, or its directory.

    Raises:
        KactError: if there is no finished run, or its model is damaged.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.run = run if isinstance(run, Run) else Run.load(run)
        self.task = get_task(self.run.experiment.task)
        self._file = self.run.model_path

    @cached_property
    def model(self) -> keras.Model:
        """The trained Keras model, read on first use."""
        import keras

        import kact.activation_layers  # noqa: F401  registers what the file may hold

        return backend.exact_inference(keras.saving.load_model(self._file, compile=False, safe_mode=True))

    def predict(self, images: Sequence[str | Path | Image.Image]) -> list[Prediction]:
        """Return one prediction an image.

        Args:
            images: paths, or Pillow images.

        Raises:
            KactError: for the first that is missing, no image, broken, or larger than 64 million pixels.
        """
        if not images:
            return []
        prepared = np.stack([self.prepare(image) for image in images])  # (n, height, width, channels)
        outputs = np.asarray(self.model.predict_on_batch(prepared))
        return [self._named(row) for row in losses.probabilities(outputs, self.run.experiment.loss)]

    def prepare(self, image: str | Path | Image.Image) -> np.ndarray:
        """Return what the network sees of an image: float32 `(height, width, channels)` in the task's stored units."""
        from PIL import Image

        opened = image if isinstance(image, Image.Image) else open_image(image)
        height, width, channels = self.task.input_shape
        eight_bit = _to_eight_bit(opened).convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(eight_bit.resize((width, height), Image.Resampling.BILINEAR), np.float32)
        return pixels.reshape(height, width, channels)

    def _named(self, row: np.ndarray) -> Prediction:
        ranked = {self.task.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        return Prediction(label, ranked[label], ranked)


def open_image(path: str | Path) -> Image.Image:
    """Open and decode an image file, upright; of an animation the first frame.

    Raises:
        KactError: if the file is missing, no image, broken, or larger than 64 million pixels.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that are refused here
            with Image.open(path) as image:
                if image.width * image.height > LARGEST_PIXELS:
                    raise KactError(
                        f"'{path}' has {image.width}x{image.height} pixels; at most {LARGEST_PIXELS:,} are read.",
                        "Make it smaller first.",
                    )
                return ImageOps.exif_transpose(image).copy()
    except KactError:
        raise
    except FileNotFoundError:
        raise KactError(f"There is no file '{path}'.") from None
    except Image.DecompressionBombError:
        raise KactError(f"'{path}' has more than {LARGEST_PIXELS:,} pixels.", "Make it smaller first.") from None
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, ArithmeticError) as error:
        raise KactError(f"'{path}' cannot be read as an image: {_first_words(error)}.") from None


def _to_eight_bit(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel: stretch what is there over 0-255
        values = np.asarray(image, np.float64)
        top = 65535.0 if image.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
        return Image.fromarray(np.clip(np.nan_to_num(values) * (255.0 / top), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB") if image.mode == "LAB" else image  # the one mode that has no way to grey


def _first_words(error: Any) -> str:
    return str(error).splitlines()[0].rstrip(".")[:120] if str(error) else type(error).__name__
