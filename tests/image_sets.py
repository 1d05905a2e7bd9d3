"""Made image files for tests: classes that a network can tell apart by their colour, and files that are no images."""

import io

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 60, 200), "green": (40, 180, 60), "red": (200, 40, 40)}


def noisy(colour, width, height, seed):
    noise = np.random.default_rng(seed).normal(0, 25, (height, width, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def make_folder(root, counts, size=(24, 16), suffix="png", classes=COLOURS):
    """Write `counts[class]` images of each class below `root`."""
    for seed, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = noisy(classes[name], *size, seed=1000 * seed + number)
            image.save(root / name / f"{number:03d}.{suffix}")
    return root


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(image):
    """Return a JPEG file of `image` laid on its side, with the EXIF mark that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def odd_images():
    """Return files that are images and unlike most, by name."""
    grey = np.tile(np.linspace(0, 65535, 16, dtype="uint16"), (16, 1))
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return {
        "one pixel.png": encoded(Image.new("RGB", (1, 1), "red"), "PNG"),
        "cmyk.jpg": encoded(Image.new("CMYK", (20, 20), (0, 200, 200, 0)), "JPEG"),
        "sixteen bit.png": encoded(Image.fromarray(grey), "PNG"),
        "animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "palette.bmp": encoded(Image.new("RGB", (9, 7), "navy").quantize(4), "BMP"),
        "transparent.webp": encoded(Image.new("RGBA", (9, 7), (0, 0, 0, 0)), "WEBP"),
        "turned.jpg": turned(noisy((200, 40, 40), 30, 20, seed=0)),
    }


BROKEN = {
    "text.jpg": b"hello, this is no picture",
    "empty.png": b"",
    "cut.png": encoded(noisy((1, 2, 3), 40, 40, seed=1), "PNG")[:600],
}
