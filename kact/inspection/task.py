"""A task's data for a person to look at: `kact inspect cifar10`, `kact inspect tweets`.

Its facts as tables for a terminal, and two figures: samples of each class, and counts.

>>> FIGURES
('samples', 'counts')
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kact.describe import print_table
from kact.errors import KactError
from kact.inspection.task_facts import SPLITS, Facts, ImageFacts, TagFacts, look
from kact.tasks import ALIASES, TASKS, TaggedData, TaskData, load_task

FIGURES = ("samples", "counts")
_SAMPLE_SEED = 20170621


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
    least = "at least " * isinstance(facts, TagFacts)
    print(
        f"Always the commonest {label} of train: {facts.chance:.4f} on test. One of {facts.examples:,} test examples "
        f"is {1 / facts.examples:.5f} of accuracy; at 0.9 one standard error is {least}{facts.standard_error:.4f}."
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
    from kact import plots

    name = data.task.name
    path = plots.figure_path(out, Path("figures"), f"{name}-{what}", kind)
    if what == "samples":
        if not isinstance(data, TaskData):
            raise KactError(f"The task {name!r} is of sentences: there are no images to show.", "Ask for --counts.")
        images = [data.train.take(rows)[0] for rows in _sampled(data)]
        figure = plots.sample_sheet(images, data.task.labels, title=f"{name}: training images, drawn at random")
    else:
        facts = look(data)
        lengths = facts.lengths if isinstance(facts, TagFacts) else {}
        figure = plots.count_sheet(facts.counts, facts.labels, lengths, title=f"{name}: {_sizes(facts)}")
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
    if Path(text).is_dir() or ("runs" / Path(text)).is_dir():
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
