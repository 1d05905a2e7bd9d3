"""Augmentation: specs, draws of an epoch, and their exact application, against one image at a time."""

import numpy as np
import pytest

from kact.errors import KactError
from kact.tasks.augmentation import AUGMENTATIONS, apply, draw, parse_augmentations

pytestmark = pytest.mark.any_backend


def rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def one_by_one(images, drawn):
    """The plain reference: a loop over images and pixels."""
    height, width = images.shape[1:3]
    out = []
    for row, image in enumerate(images):
        for name, values in drawn.items():
            if name == "flip":
                image = image[:, ::-1] if values[row] else image
            else:
                moved = np.zeros_like(image)
                for y in range(height):
                    for x in range(width):
                        from_y, from_x = y - values[row][0], x - values[row][1]
                        if 0 <= from_y < height and 0 <= from_x < width:
                            moved[y, x] = image[from_y, from_x]
                image = moved
        out.append(image)
    return np.stack(out)


@pytest.mark.parametrize("specs", [["flip"], ["shift"], ["flip", "shift(pixels=2)"], ["shift(pixels=6)", "flip"]])
@pytest.mark.parametrize("shape", [(7, 9, 3), (8, 8, 1)])
def test_a_batch_is_what_each_image_alone_would_be(specs, shape):
    images = rng(1).integers(0, 256, (40, *shape), dtype=np.uint8)
    before = images.copy()
    drawn = draw(specs, 40, shape, rng(2))
    changed = apply(images, drawn)
    assert np.array_equal(changed, one_by_one(images, drawn))
    assert changed.dtype == np.uint8 and changed.shape == images.shape
    assert np.array_equal(images, before)


def test_batches_of_an_epoch_are_the_epoch():
    images = rng(1).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    drawn = draw(["flip", "shift"], 50, (8, 8, 3), rng(2))
    order = rng(3).permutation(50)
    pieces = [
        apply(images[rows], {name: values[rows] for name, values in drawn.items()}) for rows in order.reshape(5, 10)
    ]
    assert np.array_equal(np.concatenate(pieces), apply(images, drawn)[order])


def test_draws_depend_on_the_generator_alone():
    first, again, other = (draw(["flip", "shift"], 100, (8, 8, 1), rng(seed)) for seed in (4, 4, 5))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["shift"], other["shift"])
    assert list(first) == ["flip", "shift"]


def test_shifts_cover_both_ends_evenly():
    drawn = draw(["shift(pixels=4)"], 90_000, (32, 32, 3), rng())["shift"]
    assert drawn.dtype == np.int32 and drawn.shape == (90_000, 2)
    for axis in (0, 1):
        values, counts = np.unique(drawn[:, axis], return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        assert np.abs(counts - 10_000).max() < 500


@pytest.mark.parametrize(("probability", "share"), [(0, 0.0), (1, 1.0), (0.25, 0.25)])
def test_flips_come_as_often_as_asked(probability, share):
    drawn = draw([f"flip(probability={probability})"], 20_000, (8, 8, 1), rng())["flip"]
    assert drawn.dtype == bool and drawn.mean() == pytest.approx(share, abs=0.02)


def test_no_augmentation_changes_nothing():
    images = rng().integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    assert draw([], 3, (8, 8, 1), rng()) == {}
    assert np.array_equal(apply(images, {}), images)


def test_an_empty_batch_stays_empty():
    drawn = draw(["flip", "shift"], 0, (8, 8, 1), rng())
    assert apply(np.zeros((0, 8, 8, 1), np.uint8), drawn).shape == (0, 8, 8, 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_spelling_with_defaults_is_the_short_one(name):
    parameters = ", ".join(f"{key}={value}" for key, value in AUGMENTATIONS[name].parameters.items())
    assert parse_augmentations([f"{name}({parameters})"]) == (name,)
    assert parse_augmentations(parse_augmentations([name])) == (name,)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["flop"], "Did you mean 'flip'"),
        (["shift(pixel=3)"], "Did you mean 'pixels'"),
        (["shift(pixels=0)"], "at least 1"),
        (["shift(pixels=2.5)"], "whole number"),
        (["flip(probability=1.1)"], "from 0 to 1"),
        (["flip", "flip(probability=0.2)"], "'flip' twice"),
        (["mine.module:crop"], "one of"),
        ("flip", "a list"),
        ([3], "a name"),
    ],
)
def test_a_bad_augmentation_is_refused(specs, message):
    with pytest.raises(KactError, match=message):
        parse_augmentations(specs)


@pytest.mark.parametrize("shape", [(4, 32, 3), (32, 4, 3)])
def test_a_shift_past_the_image_is_refused(shape):
    with pytest.raises(KactError, match="less than the image's smaller side, which is 4"):
        draw(["shift(pixels=4)"], 2, shape, rng())
    draw(["shift(pixels=3)"], 2, shape, rng())
