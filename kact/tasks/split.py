"""Stratified cuts of labelled data by a fixed seed.

Only one draw is made, a permutation by PCG64, so that a split depends on as little of NumPy as it can.

>>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
>>> kept, cut = stratified_cut(labels, 0.25, seed=0)
>>> labels[cut].tolist(), len(kept)
([0, 1], 6)
"""

from __future__ import annotations

import math

import numpy as np

from kact.errors import KactError

# Fixed, and apart from an experiment's seed: every run of a task, whoever makes it, has the same validation examples.
VALIDATION_SEED = 20170612
SUBSET_SEED = 20160627
# What an experiment may train on. Where validation is trained on, nothing is left to choose by.
TRAINED_ON = ("train", "train+validation")


def check_fraction(fraction: float) -> None:
    """Raise a `KactError` unless a validation split can be this share of the training examples."""
    is_number = isinstance(fraction, int | float | np.floating) and not isinstance(fraction, bool)
    if not is_number or not math.isfinite(fraction) or not 0 < fraction <= 0.5:
        raise KactError.parameter("validation_fraction", fraction, "a number above 0 and at most 0.5")


def check_train_examples(count: int, least: int, most: int, why: str = "") -> None:
    """Raise a `KactError` unless so many training examples can be kept.

    Args:
        count: how many.
        least, most: the ends of what is possible.
        why: words behind the least, such as " (one a class)".
    """
    is_whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not is_whole or not least <= count <= most:
        raise KactError.parameter(
            "train_examples",
            count,
            f"a whole number from {least}{why} to {most} (what the validation split leaves), or None",
        )


def stratified_cut(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut the same fraction from each class, at least one example and never all of them.

    Args:
        labels: `(n,)`, int64, at least two examples of each class.
        fraction: of each class, in (0, 1), rounded to the nearest whole example.
        seed: of the permutation.

    Returns:
        kept and cut rows, int64, disjoint, each ascending.
    """
    rows, rank, class_size = _ranked_by_class(labels, seed)
    cut_size = np.clip(np.floor(fraction * class_size + 0.5), 1, class_size - 1)
    is_cut = rank < cut_size
    return np.sort(rows[~is_cut]), np.sort(rows[is_cut])


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return all rows in an order of which each beginning is stratified, so that subsets nest.

    The first rows are one of each class; then each class advances in proportion to its size.

    Args:
        labels: `(n,)`, int64.
        seed: of the permutation.

    Returns:
        `(n,)`, int64, a permutation of the rows.

    Example:
        >>> labels = np.array([0] * 4 + [1] * 2)
        >>> labels[stratified_order(labels, seed=0)].tolist()
        [0, 1, 0, 0, 1, 0]
    """
    rows, rank, class_size = _ranked_by_class(labels, seed)
    return rows[np.lexsort((labels[rows], rank / class_size))]


def _ranked_by_class(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows grouped by class in random order, each one's rank in its class, and its class's size."""
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(len(labels)).astype(np.int64)
    rows = shuffled[np.argsort(labels[shuffled], kind="stable")]
    size = np.bincount(labels)
    first = np.cumsum(size) - size
    return rows, np.arange(len(rows)) - np.repeat(first, size), np.repeat(size, size)
