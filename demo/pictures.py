"""Arrays and pictures: as PNG inside a page, sheets of feature maps, and pictures made here for examples and measures.

>>> data_uri(to_image(np.zeros((2, 2, 1))))[:22]
'data:image/png;base64,'
"""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MOST_MAPS = 24  # that a sheet shows
_GAP = 1  # pixels between the maps of a sheet


def to_image(array: np.ndarray) -> Image.Image:
    """Return `(height, width, 1 or 3)` in [0, 255] as a Pillow image."""
    from PIL import Image

    pixels = np.clip(array, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def data_uri(image: Image.Image, longest: int = 0) -> str:
    """Return an image as a PNG that a page holds in itself, made smaller so that no side is longer than `longest`."""
    if longest and max(image.size) > longest:
        image = image.convert("RGBA" if "A" in image.getbands() else "RGB")
        image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def scale_in_words(maps: np.ndarray) -> str:
    """Return what the colours of a sheet mean."""
    return "white: zero, orange: more, purple: less" if _both_ways(maps) else "blue: nothing, yellow: most"


def _both_ways(maps: np.ndarray) -> bool:
    return float(-maps.min(initial=0)) > 0.05 * _top(maps)


def _top(maps: np.ndarray) -> float:
    return float(np.quantile(np.abs(maps), 0.995)) or 1.0


def map_sheet(maps: np.ndarray, columns: int = 8) -> Image.Image:
    """Return feature maps side by side, all on one scale.

    Args:
        maps: `(height, width, maps)`; the first 24 are drawn. Where some are clearly negative, zero is in the middle.
        columns: maps a row.
    """
    import matplotlib
    from PIL import Image

    height, width, count = maps.shape
    shown = min(count, MOST_MAPS)
    rows = math.ceil(shown / columns)
    top, both = _top(maps), _both_ways(maps)
    scaled = (maps / top + 1) / 2 if both else maps / top  # 0 to 1
    colours = matplotlib.colormaps["PuOr_r" if both else "cividis"](scaled, bytes=True)[..., :3]  # (h, w, maps, 3)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 128, np.uint8)
    for number in range(shown):
        top_row, left = number // columns * (height + _GAP), number % columns * (width + _GAP)
        sheet[top_row : top_row + height, left : left + width] = colours[:, :, number]
    return Image.fromarray(sheet)


def made_pictures() -> dict[str, list[Image.Image]]:
    """Return pictures by kind that no network here was trained on: noise, flat colours, stripes, and a page of text."""
    from PIL import Image

    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(50)]
    flat = [Image.new("RGB", (64, 64), tuple(rng.integers(0, 256, 3).tolist())) for _ in range(50)]
    wave = np.arange(64)[:, None] * rng.uniform(0.2, 1.5, 50)  # (rows, pictures)
    stripes = [to_image(np.tile(127.5 + 127.5 * np.sign(np.sin(one))[:, None, None], (1, 64, 3))) for one in wave.T]
    return {"noise": noise, "flat colour": flat, "stripes": stripes, "text": [page_of_text(seed) for seed in range(50)]}


def page_of_text(seed: int) -> Image.Image:
    """Return a picture of made-up text, black on white."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    page = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(page)
    for top in range(4, 150, int(rng.integers(12, 18))):
        words = ("".join(chr(rng.integers(97, 123)) for _ in range(rng.integers(2, 9))) for _ in range(6))
        draw.text((6, top), " ".join(words), fill="black")
    return page


def drawings() -> dict[str, Image.Image]:
    """Return the pictures that are offered to try: drawn here, so that nobody else's photographs are in the box."""
    from PIL import Image

    found = {name: draw(Image.new("RGB", (128, 128), "#8fc1e8")) for name, draw in _DRAWN.items()}
    found["noise"] = made_pictures()["noise"][0].resize((128, 128), Image.Resampling.NEAREST)
    return found


def _ship(page: Image.Image) -> Image.Image:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 76, 128, 128), fill="#2b5f8a")
    draw.polygon([(14, 68), (114, 68), (98, 94), (30, 94)], fill="#7a1f1f")
    draw.rectangle((40, 46, 88, 68), fill="#f3f1ea")
    draw.rectangle((70, 24, 80, 46), fill="#222222")
    for left in range(44, 84, 10):
        draw.rectangle((left, 52, left + 5, 58), fill="#30506e")
    return _soft(page)


def _airplane(page: Image.Image) -> Image.Image:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(page)
    draw.ellipse((12, 54, 116, 74), fill="#f2f4f5")
    draw.polygon([(50, 64), (74, 64), (98, 104), (84, 104)], fill="#c9d0d5")
    draw.polygon([(56, 60), (70, 60), (82, 32), (72, 32)], fill="#d8dee2")
    draw.polygon([(98, 60), (114, 60), (122, 34), (110, 34)], fill="#b94a48")
    return _soft(page)


def _truck(page: Image.Image) -> Image.Image:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 98, 128, 128), fill="#6f6f6c")
    draw.rectangle((8, 34, 84, 94), fill="#e9e6df")
    draw.polygon([(86, 94), (86, 54), (106, 54), (120, 74), (120, 94)], fill="#c0392b")
    draw.polygon([(92, 60), (104, 60), (112, 74), (92, 74)], fill="#cfe4f2")
    for left in (18, 44, 94):
        draw.ellipse((left, 86, left + 20, 106), fill="#1d1d1d")
        draw.ellipse((left + 6, 92, left + 14, 100), fill="#9a9a9a")
    return _soft(page)


def _digit(page: Image.Image) -> Image.Image:
    from PIL import ImageDraw

    page.paste("black", (0, 0, *page.size))
    stroke = [(36, 12), (76, 12), (84, 32), (60, 58), (86, 84), (76, 112), (40, 118)]
    ImageDraw.Draw(page).line(stroke, fill="white", width=19, joint="curve")
    return page


def _soft(page: Image.Image) -> Image.Image:
    """Return a drawing with the grain and the soft edges of a photograph."""
    from PIL import Image, ImageFilter

    blurred = np.asarray(page.filter(ImageFilter.GaussianBlur(1.2)), np.float64)
    grain = np.random.default_rng(1).normal(0, 5, blurred.shape)
    return Image.fromarray(np.clip(blurred + grain, 0, 255).astype(np.uint8))


_DRAWN = {"ship": _ship, "airplane": _airplane, "truck": _truck, "three": _digit}
