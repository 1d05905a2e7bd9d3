"""digits: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn: no download for a first command.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).

>>> DIGITS.input_shape, DIGITS.labels[:3]
((8, 8, 1), ('0', '1', '2'))
"""

from __future__ import annotations

import importlib.metadata

import numpy as np

from kact.tasks.split import stratified_cut
from kact.tasks.task import Identity, RawArrays, Task

# The set comes without a test part of its own. A fifth of each class is cut by this seed, for everyone and for ever.
_TEST_FRACTION = 0.2
_TEST_SEED = 19980701


def _identify() -> Identity:
    version = importlib.metadata.version("scikit-learn")  # scikit-learn itself takes a second to import
    return Identity(version=f"scikit-learn-{version}", fingerprint=f"ink255-test{_TEST_SEED}")


def _read() -> RawArrays:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    inputs = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]  # (1797, 8, 8, 1), ink from 0 to 255
    labels = bunch.target.astype(np.int64)
    train, test = stratified_cut(labels, _TEST_FRACTION, _TEST_SEED)
    return RawArrays(inputs[train], labels[train], inputs[test], labels[test])


DIGITS = Task(
    name="digits",
    summary="1,797 handwritten digits, 8x8 greys, part of scikit-learn: no download",
    source="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    licence="CC BY 4.0; E. Alpaydin and C. Kaynak (1998)",
    labels=tuple("0123456789"),
    input_shape=(8, 8, 1),
    mean=(78.0,),  # of the training pixels
    std=(96.0,),
    default_model="mlp",
    identify=_identify,
    read=_read,
)
