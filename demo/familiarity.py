"""Is a picture like anything that the network was trained on? A measured rule, kept beside its run.

The distance is Mahalanobis', of the mean of each feature map of the last convolution, to the nearest class, with one
covariance for all classes: K. Lee et al., A simple unified framework for detecting out-of-distribution samples (2018),
https://arxiv.org/abs/1807.03888, with one layer. Means and covariance are those of training images. The limit is the
distance that `SHARE` of the validation images exceed, so about that share of familiar pictures is flagged in error:
how many of test's, and of pictures of other kinds, is measured when the rule is made and written beside it.

    python -m demo.familiarity RUN
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demo.pictures import made_pictures, to_image
from kact import KactError, Predictor, load_task
from kact.backend import select_default
from kact.tasks import Split
from kact.training import load_arrays_of

if TYPE_CHECKING:
    from PIL import Image

FILE = "familiarity.npz"
SHARE = 0.05  # of validation images beyond the limit
_MOST = 10_000  # training images that the means and the covariance are measured on


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The rule of one run.

    Attributes:
        means: `(classes, maps)`, of each class's training images.
        whitening: `(maps, maps)`, float32: a difference times this has the distance as its length.
        limit: pictures further from every class than this are unlike anything in training.
        flagged: share of pictures beyond the limit, by kind: validation, test and others.
    """

    means: np.ndarray
    whitening: np.ndarray
    limit: float
    flagged: dict[str, float] = field(default_factory=dict)

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Return the distance to the nearest class.

        Args:
            features: `(n, maps)`, the mean of each map.

        Returns:
            `(n,)`.
        """
        away = (features[:, None] - self.means) @ self.whitening  # (n, classes, maps)
        return np.sqrt((away**2).sum(axis=-1)).min(axis=-1)

    def save(self, run: Path) -> None:
        """Write the rule into a run directory."""
        facts = json.dumps({"limit": self.limit, "flagged": self.flagged})
        np.savez_compressed(run / FILE, means=self.means, whitening=self.whitening, facts=np.array(facts))

    @classmethod
    def load(cls, run: Path) -> Familiarity | None:
        """Read the rule of a run, or None where it has none."""
        if not (run / FILE).is_file():
            return None
        with np.load(run / FILE, allow_pickle=False) as stored:
            return cls(stored["means"], stored["whitening"], **json.loads(str(stored["facts"])))


def features_of(maps: np.ndarray) -> np.ndarray:
    """Return the mean of each map: `(n, height, width, maps)` to `(n, maps)`, float64."""
    return maps.mean(axis=(1, 2), dtype=np.float64)


def fit(features: np.ndarray, labels: np.ndarray, validation: np.ndarray) -> Familiarity:
    """Return the rule for training features.

    Args:
        features: `(n, maps)`, of training images.
        labels: `(n,)`, their classes.
        validation: `(v, maps)`, of validation images, which set the limit.
    """
    means = np.stack([features[labels == one].mean(axis=0) for one in np.unique(labels)])
    rest = features - means[np.searchsorted(np.unique(labels), labels)]
    covariance = rest.T @ rest / len(rest)
    covariance += np.eye(len(covariance)) * 1e-3 * np.trace(covariance) / len(covariance)  # a dead map has none
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(values)).astype(np.float32)  # (maps, maps)
    rule = Familiarity(means.astype(np.float32), whitening, 0.0)
    return Familiarity(rule.means, whitening, float(np.quantile(rule.distance(validation), 1 - SHARE)))


def calibrate(path: str | Path, others: Sequence[str] = ("digits",)) -> Familiarity:
    """Make the rule of a finished run from its own data, measure what it flags, and write both beside the run.

    Args:
        path: the run's directory.
        others: tasks whose test images are of other kinds; how many of them are flagged is measured.

    Raises:
        KactError: if the run is none of a convolutional network for images, it learned from its validation images too,
            or data is not there.
    """
    from kact.diagnostics.feature_maps import maps_of

    predictor = Predictor(path)
    experiment = predictor.run.experiment
    if predictor.task.input != "image":
        raise KactError("Only a run of a network for images has such a rule.")
    if experiment.train_on != "train":
        raise KactError(
            "This run learned from its validation images too, and none is left to set the limit by.",
            "Make the rule of a run with train_on='train'.",
        )
    maps = maps_of(predictor.model)

    def features(inputs: np.ndarray) -> np.ndarray:
        return features_of(maps(inputs))

    def prepared(pictures: Sequence[Image.Image]) -> np.ndarray:
        return features(np.stack([predictor.prepare(one) for one in pictures]))

    data = load_arrays_of(experiment)  # the run's own split
    train = _images(data.train)
    inputs, labels = train.take(_evenly(len(train), _MOST))
    validation = features(_images(data.validation).arrays()[0])
    rule = fit(features(inputs), labels, validation)
    kinds = {"validation": validation, "test": features(_images(data.test).arrays()[0])}
    for name in others:
        if name != experiment.task:
            test = _images(load_task(name).test)
            kinds[name] = prepared([to_image(one) for one in test.take(_evenly(len(test), 300))[0]])
    kinds |= {name: prepared(pictures) for name, pictures in made_pictures().items()}
    flagged = {name: round(float((rule.distance(one) > rule.limit).mean()), 4) for name, one in kinds.items()}
    measured = dataclasses.replace(rule, flagged=flagged)
    measured.save(Path(path))
    return measured


def _images(split: object) -> Split:
    """Return a split that holds images; one of texts is refused."""
    if not isinstance(split, Split):
        raise KactError("Only tasks of images can be measured.", "See their inputs with `kact list tasks`.")
    return split


def _evenly(length: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, min(length, most)).astype(np.int64))


def main(arguments: Sequence[str]) -> int:
    """Make the rule of the run that is named first; the other names are tasks to measure it on."""
    if not arguments:
        print("python -m demo.familiarity RUN [TASK ...]", file=sys.stderr)
        return 2
    try:
        rule = calibrate(arguments[0], arguments[1:] or ("digits",))
    except KactError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"limit {rule.limit:.2f}; flagged: " + ", ".join(f"{name} {share:.1%}" for name, share in rule.flagged.items())
    )
    return 0


if __name__ == "__main__":
    select_default()
    sys.exit(main(sys.argv[1:]))
