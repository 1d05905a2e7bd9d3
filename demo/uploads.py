"""Strangers' files: which are read as pictures, and what is said of the others. No sentence names a path.

>>> read_picture("nothing.png")
Traceback (most recent call last):
kact.errors.KactError: The picture did not arrive.
Choose it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kact import KactError
from kact.images import open_image

if TYPE_CHECKING:
    from PIL import Image

LARGEST_BYTES = 10 * 2**20
LARGEST_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "AVIF", "JPEG2000", "PCX", "DIB", "MPO")

_ANOTHER = "Choose a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF file."


def read_picture(path: str | Path, folder: str | Path | None = None) -> Image.Image:
    """Decode a file that came from outside, upright; of an animation the first frame.

    Args:
        path: of the file.
        folder: where uploads are kept; a file elsewhere is refused. Anywhere if None.

    Raises:
        KactError: for a file elsewhere, or one that is missing, too large or no picture; without its path.
    """
    file = Path(path).resolve()
    if folder is not None and not file.is_relative_to(Path(folder).resolve()):
        raise KactError("That is no picture that was uploaded here.", "Upload it first.")
    if not file.is_file():
        raise KactError("The picture did not arrive.", "Choose it again.")
    if file.stat().st_size > LARGEST_BYTES:
        raise KactError(f"The file is larger than {LARGEST_BYTES // 2**20} MB.", "Make the picture smaller first.")
    try:
        return open_image(file, formats=_known(), largest_pixels=LARGEST_PIXELS)
    except KactError as error:
        if error.kind == "too large":
            raise KactError(
                f"The picture has more than {LARGEST_PIXELS // 10**6} million pixels.", "Make it smaller first."
            ) from None
        raise KactError(_what_it_is(file), _ANOTHER) from None


def _known() -> list[str]:
    """Return those of the formats that this Pillow was built with."""
    from PIL import Image

    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _what_it_is(file: Path) -> str:
    start = file.read_bytes()[:512].lstrip().lower()
    if not start:
        return "The file is empty."
    if start.startswith(b"<svg") or b"<svg" in start:
        return "The file is an SVG drawing, which is not read: it can hold code."
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<script")):
        return "The file is a page or a text, not a picture."
    return "The file cannot be read as a picture: it is broken, cut short or of another kind."
