"""What a task's data looks like before anything is trained on it: `kact inspect cifar10`, `kact inspect tweets`.

Classes or tags by split, pixels by channel or words and sentence lengths, what the splits have in common that they
should not, and what one test example weighs. Two figures: samples of each class, and counts.

>>> facts = look(load_task("digits"))
>>> facts.sizes, facts.shared
({'train': 1293, 'validation': 145, 'test': 359}, {'validation': 0, 'test': 0})
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kact.describe import print_table
from kact.errors import KactError
from kact.files import explained
from kact.stats import binomial_standard_error
from kact.tasks import ALIASES, TASKS, Split, TaggedData, TaskData, load_task
from kact.tasks.tagging import Sentences

FIGURES = ("samples", "counts")
SPLITS = ("train", "validation", "test")
_ROWS = 1_000  # images that are looked at together
_SAMPLE_SEED = 20170621


@dataclass(frozen=True)
class Facts:
    """What every task has.

    Attributes:
        name: of the task.
        labels: of its classes or tags.
        counts: for each split, `(labels,)`: images of each class, or tokens with each tag.
        sizes: images or sentences of each split.
        examples: images or tokens of test.
        shared: images or sentences of validation and of test that are in train too, exactly alike.
        chance: the accuracy on test of always saying the commonest label of train.
        standard_error: of a test accuracy of 0.9, by the choice of test examples alone.
    """

    name: str
    labels: tuple[str, ...]
    counts: dict[str, np.ndarray]
    sizes: dict[str, int]
    examples: int
    shared: dict[str, int]
    chance: float
    standard_error: float


@dataclass(frozen=True)
class ImageFacts(Facts):
    """What a task of images has besides.

    Attributes:
        shape: (height, width, channels) of every image, as it is stored.
        mean, sd: of each channel's values in [0, 255], over train.
        lowest, highest: of each channel, over train.
    """

    shape: tuple[int, ...]
    mean: np.ndarray
    sd: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


@dataclass(frozen=True)
class TagFacts(Facts):
    """What a tagging task has besides.

    Attributes:
        lengths: for each split, `(sentences,)`: tokens of each sentence.
        words: different words of each split, in lower case.
        unseen: share of each split's tokens that train never has, in whatever case.
        unknown_tags: tokens of each split whose tag train never has.
    """

    lengths: dict[str, np.ndarray]
    words: dict[str, int]
    unseen: dict[str, float]
    unknown_tags: dict[str, int]


def look(data: TaskData | TaggedData) -> ImageFacts | TagFacts:
    """Return what there is to know of a task's data before training."""
    return _look_at_images(data) if isinstance(data, TaskData) else _look_at_sentences(data)


def print_facts(facts: ImageFacts | TagFacts) -> None:
    """Print them as tables, for a terminal."""
    unit, label = ("images", "class") if isinstance(facts, ImageFacts) else ("sentences", "tag")
    rows = [
        [name, *(cell for split in SPLITS for cell in _count(facts.counts[split], index))]
        for index, name in enumerate(facts.labels)
    ]
    print_table([label, *(head for split in SPLITS for head in (split, "share"))], rows)
    shared = {"train": "", **{split: f"{count:,}" for split, count in facts.shared.items()}}
    if isinstance(facts, ImageFacts):
        print_table(["split", unit, "also in train"], [[s, f"{facts.sizes[s]:,}", shared[s]] for s in SPLITS])
        print_table(
            ["channel", "mean", "sd", "lowest", "highest"],
            [
                [
                    str(i + 1),
                    *(f"{values[i]:.2f}" for values in (facts.mean, facts.sd)),
                    str(low),
                    str(facts.highest[i]),
                ]
                for i, low in enumerate(facts.lowest)
            ],
        )
        print(f"Every image is {'x'.join(map(str, facts.shape))}, uint8; channels are measured on train.")
    else:
        heads = [
            "split",
            unit,
            "also in train",
            "tokens",
            "words",
            "unseen",
            "tags unseen",
            "length: median",
            "longest",
        ]
        print_table(heads, [_sentence_row(facts, split, shared[split]) for split in SPLITS])
    print(
        f"Always the commonest {label} of train: {facts.chance:.4f} on test. One of {facts.examples:,} test examples "
        f"is {1 / facts.examples:.5f} of accuracy; at 0.9 one standard error is {facts.standard_error:.4f}."
    )


def draw(data: TaskData | TaggedData, what: str, *, out: str | Path | None = None, kind: str = "png") -> Path:
    """Draw one figure of a task's data and return the file that holds it.

    Args:
        data: of `kact.tasks.load_task`.
        what: one of `FIGURES`; "samples" only of images.
        out: the file, ending in .png or .svg; `figures/TASK-WHAT.KIND` if None.
        kind: "png" or "svg", where `out` is None.

    Raises:
        KactError: for samples of sentences, or a file that cannot be written.
    """
    from kact import plots, task_figures

    name = data.task.name
    if kind not in plots.FORMATS:
        raise KactError.parameter("format", kind, "one of", choices=plots.FORMATS)
    path = Path(out) if out is not None else Path("figures") / f"{name}-{what}.{kind}"
    if path.suffix.lstrip(".").lower() not in plots.FORMATS:
        raise KactError.parameter("out", str(path), "a file name that ends in .png or .svg")
    if what == "samples":
        if not isinstance(data, TaskData):
            raise KactError(f"The task {name!r} is of sentences: there are no images to show.", "Ask for --counts.")
        images = [data.train.take(rows)[0] for rows in _sampled(data)]
        figure = task_figures.sample_sheet(images, data.task.labels, title=f"{name}: training images, drawn at random")
    else:
        facts = look(data)
        lengths = facts.lengths if isinstance(facts, TagFacts) else {}
        figure = task_figures.count_sheet(facts.counts, facts.labels, lengths, title=f"{name}: {_sizes(facts)}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return plots.write(figure, path)


def is_task(text: str) -> bool:
    """Return whether a text names a task, with options or without, rather than a run.

    Raises:
        KactError: if it is neither, with the nearest task.

    Example:
        >>> is_task("hymenoptera(image_size=64)"), is_task("cifar")
        (True, True)
    """
    if (Path(text) / "experiment.toml").is_file():
        return False
    name = text.split("(")[0].strip()
    if name in TASKS or name in ALIASES:
        return True
    if Path(text).is_dir():
        return False  # what is wrong with it, Run.load says
    guess = KactError.parameter("run", name, "one of", choices=[*TASKS, *ALIASES]).problem.partition(" Did you mean")[2]
    raise KactError(
        f"There is no run in '{text}', and no task has this name."
        + (f" Did you mean{guess}" if guess else f" Tasks: {', '.join(TASKS)}."),
        "Give the directory of a run, or one of `kact list tasks`.",
    )


def inspect_task(
    name: str,
    place: str | None,
    *,
    samples: bool = False,
    counts: bool = False,
    of_run: Sequence[str] = (),
    out: str | None = None,
    kind: str = "png",
) -> int:
    """Do what `kact inspect TASK` asks for: print the facts, or draw the figures and print where they are.

    Args:
        name: of the task, with options in parentheses where it has any.
        place: of the user's own data, for a task that takes it.
        samples, counts: the figures to draw; the facts are printed where both are False.
        of_run: flags that were given and are only of a run.
        out, kind: as for `draw`.

    Raises:
        KactError: if the data is unusable, or flags do not go together.
    """
    if of_run:
        raise KactError(f"{of_run[0]} is of a run, and {name!r} is a task.", "Of a task there are --samples, --counts.")
    chosen = [what for what, wanted in zip(FIGURES, (samples, counts), strict=True) if wanted]
    if out is not None and len(chosen) != 1:
        raise KactError("--out names the file of one figure.", "Ask for one of --samples and --counts.")
    found = load_task(name, data=place)
    for what in chosen:
        print(draw(found, what, out=out, kind=kind))
    if not chosen:
        print_facts(look(found))
    return 0


def _look_at_images(data: TaskData) -> ImageFacts:
    classes, channels = len(data.task.labels), data.task.input_shape[-1]
    splits = {name: getattr(data, name) for name in SPLITS}
    values = np.zeros((channels, 256), np.int64)  # how often each channel has each value, in train
    for images in _images(splits["train"]):
        for channel in range(channels):
            values[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
    share = values / values.sum(axis=1, keepdims=True)
    mean = share @ np.arange(256)
    seen = [np.flatnonzero(row) for row in values]
    counts = {name: np.bincount(split.labels[split.rows], minlength=classes) for name, split in splits.items()}
    return ImageFacts(
        **_common(data, counts, len(data.test)),
        sizes={name: len(split) for name, split in splits.items()},
        shared=_shared({name: _digests(split) for name, split in splits.items()}),
        shape=data.task.input_shape,
        mean=mean,
        sd=np.sqrt(np.maximum(share @ np.arange(256) ** 2 - mean**2, 0)),
        lowest=np.array([row[0] for row in seen]),
        highest=np.array([row[-1] for row in seen]),
    )


def _look_at_sentences(data: TaggedData) -> TagFacts:
    splits: dict[str, Sentences] = {name: getattr(data, name) for name in SPLITS}
    tags = {name: Counter(tag for row in split.tags for tag in row) for name, split in splits.items()}
    words = {name: Counter(token.lower() for row in split.tokens for token in row) for name, split in splits.items()}
    counts = {name: np.array([found[label] for label in data.task.labels]) for name, found in tags.items()}
    return TagFacts(
        **_common(data, counts, tags["test"].total()),
        sizes={name: len(split) for name, split in splits.items()},
        shared=_shared({name: list(split.tokens) for name, split in splits.items()}),
        lengths={name: np.array([len(row) for row in split.tokens]) for name, split in splits.items()},
        words={name: len(found) for name, found in words.items()},
        unseen={
            name: sum(count for word, count in found.items() if word not in words["train"]) / found.total()
            for name, found in words.items()
        },
        unknown_tags={
            name: sum(count for tag, count in found.items() if tag not in data.task.labels)
            for name, found in tags.items()
        },
    )


def _common(data: TaskData | TaggedData, counts: dict[str, np.ndarray], examples: int) -> dict:
    """Return what `Facts` has; `examples` of test, those with a label that train never has among them."""
    test = counts["test"]
    return {
        "name": data.task.name,
        "labels": tuple(data.task.labels),
        "counts": counts,
        "examples": examples,
        "chance": float(test[counts["train"].argmax()] / examples),
        "standard_error": binomial_standard_error(0.9, examples),
    }


def _shared(splits: dict[str, list]) -> dict[str, int]:
    train = set(splits["train"])
    return {name: sum(one in train for one in splits[name]) for name in SPLITS[1:]}


def _images(split: Split) -> Iterable[np.ndarray]:
    for begin in range(0, len(split), _ROWS):
        yield split.take(np.arange(begin, min(begin + _ROWS, len(split))))[0]


def _digests(split: Split) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for images in _images(split) for image in images]


def _sampled(data: TaskData, each: int = 10) -> list[np.ndarray]:
    """Return, for each class, positions of a few training images, the same whoever asks."""
    generator = np.random.Generator(np.random.PCG64(_SAMPLE_SEED))
    labels = data.train.labels[data.train.rows]
    return [generator.permutation(np.flatnonzero(labels == one))[:each] for one in range(len(data.task.labels))]


def _count(counts: np.ndarray, index: int) -> tuple[str, str]:
    return f"{counts[index]:,}", f"{counts[index] / max(counts.sum(), 1):.3f}"


def _sentence_row(facts: TagFacts, split: str, shared: str) -> list[str]:
    lengths = facts.lengths[split]
    return [
        split,
        f"{facts.sizes[split]:,}",
        shared,
        f"{lengths.sum():,}",
        f"{facts.words[split]:,}",
        f"{facts.unseen[split]:.3f}",
        f"{facts.unknown_tags[split]:,}",
        f"{np.median(lengths):g}",
        str(lengths.max()),
    ]


def _sizes(facts: Facts) -> str:
    return ", ".join(f"{facts.sizes[split]:,} {split}" for split in SPLITS)
