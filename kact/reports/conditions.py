"""Under which conditions the runs were made, and what they cannot say.

>>> from kact.reports.findings import findings
>>> limits(findings(Material("none", (), {"activation": ()}, quick=True)))[0].startswith("This is the quick form")
True
"""

from __future__ import annotations

import math
import shutil
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kact import stats
from kact.reports.choices import at_edge, near
from kact.reports.findings import Findings
from kact.reports.material import Material
from kact.reports.numbers import field, in_words, key, listing
from kact.reports.tables import Table
from kact.runs import OwnCode
from kact.runs.metrics import learned_nothing
from kact.studies.row import ResultRow
from kact.studies.study_file import study_names
from kact.wording import counted, duration, short

QUICK = "This is the quick form of the study, made to see that it runs: its numbers tell nothing."
_JPEG_CIFAR10 = "e4178782a57b02e75c28c0e2120eca1384d5b133e38a8bc31e3986a30f76d608"  # of the arrays of a JPEG copy
_FEW_SEEDS = 6
_RATE_DEPENDS_ON = {"activation", "batch_norm", "batch_size", "initializer", "loss", "model", "optimizer"}


def conditions(found: Findings) -> Table:
    """Return how the runs were made: what they share, machine, versions, data, time."""
    material = found.material
    rows = [row for row in material.compared if row.metrics is not None]
    facts = [*_command(material), *_settings(material), *_machine(rows), *_time(material)]
    note = "Where runs differ, each value is followed by the number of runs that have it."
    return Table("How it was run", ("what", "value"), tuple(facts), 1, note)


def limits(found: Findings) -> list[str]:
    """Return what a reader must not conclude, a sentence or two each."""
    material = found.material
    said = [QUICK] if material.quick else []
    said += [*_unfinished(material), *_seeds(found), *_chance(found), *_selection(material), *_data(material)]
    if material.published:
        said.append(
            "Published numbers come from other splits, seeds, hardware and versions, and often from one seed: a"
            " difference from them has no interval here."
        )
    return [*said, *material.remarks]


def _command(material: Material) -> Iterator[tuple[str, str]]:
    """Yield what makes a bundled study; a file of one's own is known by its name alone."""
    if material.name in study_names():
        yield "command", f"kact study run {material.name}{' --quick' * material.quick}, then kact report"


def _settings(material: Material) -> Iterator[tuple[str, str]]:
    """Yield the settings that all compared runs share."""
    experiments = [row.experiment for row in material.compared]
    skipped = {"seed", *material.factors, *material.tuned}
    for name, value in experiments[0].items() if experiments else ():
        shared = all(key(one.get(name)) == key(value) for one in experiments)
        if name not in skipped and shared and value not in (None, [], ()):
            yield field(name), in_words(value)


def _machine(rows: Sequence[ResultRow]) -> Iterator[tuple[str, str]]:
    origins = [row.metrics["provenance"] for row in rows if row.metrics]
    if not origins:
        return
    for name in ("backend", "device"):
        yield name, _counts([str(one[name]) for one in origins])
    yield "step", _counts([_step(one["step"]) for one in origins])
    yield "data (SHA-256 of the arrays)", _counts([one["data"] for one in origins])
    names = dict.fromkeys(name for one in origins for name in one["versions"])
    for name in names:
        yield name, _counts([str(one["versions"].get(name, "not installed")) for one in origins])
    commit = _commit()
    if commit:
        yield "kact's commit when this page was made", commit


def _time(material: Material) -> Iterator[tuple[str, str]]:
    total = sum(row.metrics["timing"]["train_seconds"] for row in material.rows if row.metrics)
    yield "training time, all runs", duration(total) if total >= 10 else short(total)
    ended = [row.finished_at for row in material.rows if row.finished_at]
    if ended:
        first, last = (datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%d %H:%M") for one in (min(ended), max(ended)))
        yield "runs ended (UTC)", first if first == last else f"{first} to {last}"
    again = sum(row.attempts > 1 for row in material.rows)
    if again:
        yield "begun more than once", counted(again, "run")


def _unfinished(material: Material) -> Iterator[str]:
    done = len(material.compared)
    if material.planned is not None and done < material.planned:
        missing = material.planned - done
        yield f"{missing:,} of {counted(material.planned, 'run')} are missing yet: this page will change with them."
    failed = [row for row in material.compared if row.status == "failed"]
    if failed:
        reasons = Counter(row.error or "unknown" for row in failed)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        yield f"{counted(len(failed), 'run')} failed and left no score: {told}."
    yield from _at_chance(material)
    diverged = [row for row in material.compared if row.status == "diverged"]
    if diverged:
        without = sum(row.score("test", material.score) is None for row in diverged)
        yield (
            f"{counted(len(diverged), 'run')} diverged; {without} of them before there was anything to score, so their"
            f" cells' means are of the runs that survived."
        )


def _at_chance(material: Material) -> Iterator[str]:
    """Tell of cells of which no run learned, and of those of which some did: their mean is of neither kind."""
    cells, none_learned = material.cells(), 0
    for cell in cells:
        scores = [row.metrics["test"] for row in cell.rows if row.metrics and row.metrics.get("test")]
        stuck = sum(map(learned_nothing, scores))
        if 0 < stuck < len(scores):
            where = f"{material.called(cell.name)}{f' at {cell.place}' * bool(cell.place)}"
            yield f"Of {where}, {stuck} of {len(scores)} runs ended near chance: the mean is of two kinds of runs."
        none_learned += bool(scores) and stuck == len(scores)
    if none_learned:
        yield f"{none_learned} of {counted(len(cells), 'cell')} ended near chance in each run: nothing was learned."


def _seeds(found: Findings) -> Iterator[str]:
    most = found.most_seeds
    if most == 1:
        yield "One seed a cell: the luck of a draw cannot be told from a difference."
    elif most < _FEW_SEEDS:
        notes = dict.fromkeys(place.pairwise.note for place in found.places if place.pairwise.comparisons)
        yield f"{most} seeds a cell are few. {' '.join(notes)}".strip()


def _chance(found: Findings) -> Iterator[str]:
    """Say how far the choice of the test examples alone moves a score."""
    if found.material.score != "accuracy":
        return
    scored = [row.metrics for row in found.material.compared if row.metrics and row.metrics.get("test")]
    sizes = {one["test"]["examples"] for one in scored}
    if len(sizes) != 1:
        return
    examples = sizes.pop()
    error = stats.binomial_standard_error(statistics.median(one["test"]["accuracy"] for one in scored), examples)
    tagged = any("tokens_per_second" in one["timing"] for one in scored)
    about, why = ("at least", "; the words of one sentence are not independent") if tagged else ("about", "")
    yield (
        f"The intervals are over seeds, on this one test set of {examples:,} examples; another such test set would move"
        f" an accuracy by {about} {found.unit.amount(error, 2)} (one standard error{why})."
    )


def _selection(material: Material) -> Iterator[str]:
    yield f"Scored are {material.kept}; test was scored once, at the end, and selected nothing."
    if not material.tuned:
        rates = {key(row.experiment.get("learning_rate")) for row in material.compared}
        if material.compare in _RATE_DEPENDS_ON and len(rates) == 1 and len(material.compared) > 1:
            yield "All values had one learning rate, which favours those that it happens to suit."
        return
    names = listing([field(name) for name in material.tuned])
    length = f", in runs of {counted(material.tuned_epochs, 'epoch')}" if material.tuned_epochs else ""
    candidates = math.prod(len(values) for values in material.tuned.values())
    seeds = counted(len({row.seed for row in material.rows if row.stage == "tune"}), "seed")
    yield f"The {names} was chosen for each value on validation, from {candidates} candidates with {seeds}{length}."
    for name, values in material.tuned.items():
        edge = [group for group, one in material.chosen.items() if one and at_edge(values, one[name])]
        if edge:
            yield (
                f"For {counted(len(edge), 'choice')} the best {field(name)} is at the edge of what was tried: a better"
                f" one may lie beyond."
            )
    if values := near(material):
        yield (
            f"For {listing(values)} another candidate is within a standard error of the chosen one on validation: other"
            " validation examples may have chosen that, and the comparison be another. Compare at both to see."
        )


def _data(material: Material) -> Iterator[str]:
    origins = [row.metrics["provenance"] for row in material.compared if row.metrics]
    tasks = {str(row.experiment.get("task")) for row in material.compared}
    if any(one["data"] == _JPEG_CIFAR10 for one in origins):
        yield (
            "This copy of CIFAR-10 holds JPEG images (quality 75): accuracies run a little below those on the"
            " lossless set."
        )
    yield from _changed_data(material)
    yield from _changed_code(material)
    yield from _small_last_steps(material)
    if any(task.startswith("twitter_pos") for task in tasks):
        known = sorted({name for one in origins for name in one.get("resources") or {}})
        beside = f" (known beforehand: {', '.join(known)})" if known else ""
        yield f"The taggers have no pretrained word vectors{beside}: errors are higher than those published with them."
    if len({key(one["versions"]) for one in origins}) > 1 or len({one["device"] for one in origins}) > 1:
        yield "The runs were made with several versions or on several devices (the table of how it was run says which)."


def _changed_data(material: Material) -> Iterator[str]:
    """Yield each task whose data was not the same in all runs that were to have the same."""
    seen: dict[str, set[str]] = {}
    for row in material.compared:
        if row.metrics:
            asked = key([row.experiment.get(name) for name in ("task", "data")])
            seen.setdefault(asked, set()).add(row.metrics["provenance"]["data"])
    if any(len(hashes) > 1 for hashes in seen.values()):
        yield (
            "The data changed between the runs (the table of how it was run has its hashes): what comes of that and"
            " what of anything else cannot be told apart."
        )


def _changed_code(material: Material) -> Iterator[str]:
    """Yield each activation and model of somebody's own that was not the same in all runs."""
    seen: dict[str, OwnCode] = {}
    told: set[str] = set()
    for row in material.compared:
        code = OwnCode.noted((row.metrics or {}).get("provenance") or {})
        before = seen.setdefault(key([row.experiment.get(name) for name in ("activation", "model")]), code)
        if (what := before.changed(code)) and what not in told:
            told.add(what)
            name = row.experiment[what]["name"] if what == "model" else row.experiment[what]
            yield (
                f"The {what} {name!r} was changed between the runs: one name stands for several of them here, and"
                " their runs tell nothing together."
            )


def _small_last_steps(material: Material) -> Iterator[str]:
    """Yield each batch size that leaves few examples for the step right before the weights that are scored."""
    seen: dict[int, int] = {}
    for row in material.compared:
        metrics, size = row.metrics or {}, row.experiment.get("batch_size")
        examples = (metrics.get("train") or {}).get("examples")
        images = (metrics.get("task") or {}).get("input_shape")  # sentences are counted in tokens
        if images and size and examples and row.experiment.get("keep") == "last" and 0 < examples % size <= size / 4:
            seen[size] = examples % size
    for size, left in sorted(seen.items()):
        yield (
            f"At batch size {size} the last step of an epoch sees {counted(left, 'example')}, and the weights that are"
            " scored are those behind it: at a large learning rate its noise is in the scores. Whole batches, by"
            " another batch size or `train_examples`, have none of it."
        )


def _commit() -> str | None:
    """Return the commit of the checkout that kact is run from; None where it is none, or git is not there."""
    root = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    said = [
        subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, check=False)
        for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "kact"])
    ]
    if any(one.returncode for one in said):
        return None
    return said[0].stdout.strip() + (", with changes that are not committed" if said[1].stdout.strip() else "")


def _counts(values: Sequence[Any]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return str(next(iter(counts)))
    return "; ".join(f"{value} ({count})" for value, count in counts.most_common())


def _step(step: dict[str, Any]) -> str:
    return f"{step['kind']}: {step['reason']}" if step.get("reason") else str(step["kind"])
