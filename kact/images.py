"""Images of any kind, brought to the arrays that networks take: the same way for training folders and for predictions.

Any image that Pillow can open, in any mode and size up to a stated limit, is turned upright, laid on white where it is
transparent, brought to 8 bits and to the wanted size and channels.

>>> from PIL import Image
>>> to_array(Image.new("RGB", (40, 20), "white"), (8, 8, 1), "pad")[:, 4, 0].tolist()
[0, 0, 255, 255, 255, 255, 0, 0]
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError
from kact.spec import choose

if TYPE_CHECKING:
    from PIL import Image

LARGEST_PIXELS = 64_000_000  # an upright 8000x8000; above it a small file could fill the memory
FITS = ("stretch", "crop", "pad")


def open_image(
    path: str | Path, *, formats: list[str] | None = None, largest_pixels: int = LARGEST_PIXELS
) -> Image.Image:
    """Open and decode an image file, upright; of an animation the first frame.

    Args:
        path: of the file.
        formats: Pillow's names of those that may be read, such as "PNG"; all that it knows if None. A server that reads
            strangers' files names the few that it wants: some others start other programs.
        largest_pixels: width x height of the largest image that is decoded, 64 million at most.

    Raises:
        KactError: if the file is missing, no image of those formats, broken, or larger than that.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that are refused here
            with Image.open(path, formats=formats) as image:
                if image.width * image.height > min(largest_pixels, LARGEST_PIXELS):
                    raise KactError(
                        f"'{path}' has {image.width}x{image.height} pixels; at most {largest_pixels:,} are read.",
                        "Make it smaller first.",
                        kind="too large",
                    )
                return ImageOps.exif_transpose(image).copy()
    except KactError:
        raise
    except FileNotFoundError:
        raise KactError(f"There is no file '{path}'.", "Give the path of an image file.") from None
    except Image.DecompressionBombError:
        raise KactError(
            f"'{path}' has more than {largest_pixels:,} pixels.", "Make it smaller first.", kind="too large"
        ) from None
    except Exception as error:  # Pillow's decoders raise of everything, NotImplementedError and RuntimeError too
        raise KactError(
            f"'{path}' cannot be read as an image: {_first_words(error)}.",
            "Give a file of a format that Pillow opens, such as PNG or JPEG, that is whole.",
        ) from None


def to_array(image: Image.Image, shape: tuple[int, int, int], fit: str = "stretch") -> np.ndarray:
    """Bring an image to a size and a number of channels.

    Args:
        image: of any mode and size.
        shape: (height, width, channels), one channel for greys or three for colours.
        fit: "stretch" (each side to its length), "crop" (the largest middle part of the wanted proportions) or "pad"
            (all of the image, with black bars where its proportions differ).

    Returns:
        `(height, width, channels)`, uint8.

    Raises:
        KactError: for another `fit`.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    eight_bit = to_eight_bit(image).convert("L" if channels == 1 else "RGB")
    choose(fit, FITS, {}, "fit")
    if fit == "crop":
        fitted = ImageOps.fit(eight_bit, (width, height), Image.Resampling.BILINEAR)
    elif fit == "pad":
        scale = min(width / eight_bit.width, height / eight_bit.height)
        inner = max(1, round(eight_bit.width * scale)), max(1, round(eight_bit.height * scale))
        fitted = Image.new(eight_bit.mode, (width, height))
        corner = (width - inner[0]) // 2, (height - inner[1]) // 2
        fitted.paste(eight_bit.resize(inner, Image.Resampling.BILINEAR), corner)
    else:
        fitted = eight_bit.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(height, width, channels)


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel and without transparency, ready for `convert("L")` or `convert("RGB")`."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        if image.mode.startswith("I;16"):  # as cameras and scanners write: its whole range, however dark it is
            top = 65535.0
        elif image.mode == "F":
            top = 1.0 if np.nan_to_num(values).max(initial=0) <= 1 else 255.0  # by either custom
        else:  # 32 bits, of which files seldom use more than 8 or 16
            top = 65535.0 if values.max(initial=0) > 255 else 255.0
        return Image.fromarray(np.clip(np.nan_to_num(values) * (255.0 / top), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB") if image.mode == "LAB" else image  # the one mode that has no way to grey


def _first_words(error: Any) -> str:
    return str(error).splitlines()[0].rstrip(".")[:120] if str(error) else type(error).__name__
