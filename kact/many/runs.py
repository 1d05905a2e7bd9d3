"""Runs that train at once, each into a directory of its own, as if `kact.run` had made it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kact import backend, losses
from kact.determinism import deterministic
from kact.experiment import Experiment
from kact.many.groups import TOGETHER, groups, packs, why_alone, why_slower, why_too_large
from kact.runs import Run, RunDirectory
from kact.spec import choose
from kact.train import run
from kact.training.assembly import epoch_batches, load_arrays_of
from kact.training.training import Training

if TYPE_CHECKING:
    from kact.many.stack import Stack
    from kact.tasks.batches import EpochBatches

Tell = Callable[[str], None]

_SAVE_SECONDS = 5.0  # between checkpoints: an epoch of many small runs takes less than writing all of theirs


def run_many(
    experiments: Sequence[Experiment],
    *,
    out: str | Path = "runs",
    device: str = "auto",
    together: str = "auto",
    tell: Tell | None = None,
) -> list[Run]:
    """Train experiments to their ends, from wherever an earlier process left each of them.

    Those that differ only in seed, learning rate and L2, and in when they stop, can train at once, as one program over
    all of them, on the torch backend. Each ends as its own run would, to rounding, in a directory of its own, and one
    that diverges or stops early changes nothing for the others.

    Args:
        experiments: what to train; two that are equal are one run.
        out: the directory of runs; each gets `out/<experiment.label>/`.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        together: "yes" (whatever can), "no" (one run after another) or "auto" (where that is faster, by measurement).
        tell: called with what happens, a line at a time; also why runs do not train together.

    Returns:
        The finished runs, in the order of `experiments`. A run that diverges is finished, and says so.

    Raises:
        KactError: as `kact.run` does; finished epochs are kept, but for the last five seconds of a killed process.

    Example:
        >>> import tempfile
        >>> rates = [Experiment(epochs=2, learning_rate=rate) for rate in (0.001, 0.01)]
        >>> finished = run_many(rates, out=tempfile.mkdtemp())
        >>> [one.experiment.learning_rate for one in finished]
        [0.001, 0.01]
    """
    choose(together, TOGETHER, {}, "together")
    tell = tell or (lambda line: None)
    for group in groups([one for one in dict.fromkeys(experiments) if not _finished(one, out)]):
        with (
            backend.run_settings(device, group[0].precision) as device_used,
            deterministic(group[0].deterministic, device_used),
        ):
            reason = why_alone(group[0])
            if reason is None and together == "auto":
                reason = why_slower(group[0], device_used)
            if reason is None and together != "no" and len(group) > 1:
                _train_group(group, Path(out), device_used, tell, together == "auto")
        if reason is not None and together != "no" and len(group) > 1:
            tell(f"{len(group)} runs like {group[0].label} train one after another: {reason}.")
    return [run(experiment, out=out, device=device) for experiment in experiments]


def _finished(experiment: Experiment, out: str | Path) -> bool:
    return RunDirectory(Path(out) / experiment.label).finished  # whether it is this experiment's, `run` finds out


def _train_group(group: list[Experiment], out: Path, device: str, tell: Tell, if_faster: bool) -> None:
    """Train experiments of one program, in as many packs as they need; `if_faster` none if that is slower."""
    backend.check_training()
    data = load_arrays_of(group[0])
    left = list(group)
    while left:
        first = Training.prepare(left[0], RunDirectory(out / left[0].label), device, data=data)
        largest = max(variable.value.numel() for variable in first.model.trainable_variables)
        count = packs(len(left), largest)[0]
        reason = why_too_large(largest, device) if if_faster else None
        if reason is not None or count == 1:
            reason = reason or "their weights are too large"
            tell(f"{len(left)} runs like {left[0].label} train one after another: {reason}.")
            return
        rest = [
            Training.prepare(experiment, RunDirectory(out / experiment.label), device, data=data)
            for experiment in left[1:count]
        ]
        del left[:count]
        with contextlib.ExitStack() as stack:
            for member in (first, *rest):
                stack.enter_context(member.directory.opened(member.experiment))
                member.restore(None)
            _train_pack([first, *rest], tell)


def _train_pack(members: list[Training], tell: Tell) -> None:
    """Train runs to their ends, those that are behind first, until all of them go on together."""
    waiting = [member for member in members if member.stopped is None]
    for member in members:
        if member.stopped is not None:  # killed between its last epoch and its files
            member.finish()
    while waiting:
        depths = sorted({len(member.checkpoint.history) for member in waiting})
        behind = [member for member in waiting if len(member.checkpoint.history) == depths[0]]
        ahead = [member for member in waiting if len(member.checkpoint.history) > depths[0]]
        if len(behind) == 1:
            behind[0].train(None)
            behind[0].finish()
            waiting = ahead
        else:
            waiting = ahead + _train_at_once(behind, depths[1] if ahead else None, tell)


def _train_at_once(members: list[Training], until: int | None, tell: Tell) -> list[Training]:
    """Train runs that are equally far, until half of them have stopped, and finish those; return the others.

    Args:
        members: at least two.
        until: epochs after which to leave off in any case.
        tell: told of each epoch.
    """
    from kact.engine.capture import CannotCapture
    from kact.many.member import MemberEngine
    from kact.many.stack import Stack

    alone = [member.engine for member in members]
    first = members[0]
    loss = losses.make_loss(first.experiment.loss, len(first.data.task.labels))
    try:
        stack = Stack([one.model for one in members], loss, [one.experiment.l2 for one in members])
        stack.prepare(_batches(first))
    except CannotCapture as refusal:
        tell(f"{len(members)} runs like {first.experiment.label} train one after another: {refusal}.")
        for member in members:
            member.train(None)
            member.finish()
        return []
    labels = first.experiment.label, members[-1].experiment.label
    tell(f"Training {len(members)} runs at once on {first.device}: {labels[0]} to {labels[1]}.")
    for index, member in enumerate(members):
        member.engine = MemberEngine(stack, index)
    left = _epochs(stack, members, until, tell)
    for member in members:
        if member not in left:
            member.take_kept()  # all of them first: predictions are everyone's
    stack.forget()
    for member in members:
        if member not in left:
            member.finish()
    for member, engine in zip(members, alone, strict=True):
        member.engine = engine
    return left


def _epochs(stack: Stack, members: list[Training], until: int | None, tell: Tell) -> list[Training]:
    """Train epoch after epoch until half of the members have stopped; return those that have not."""
    active, unsaved, saved = list(members), False, time.perf_counter()
    try:
        while len(active) > len(members) // 2:
            epoch = len(active[0].checkpoint.history)
            if epoch == until:
                break
            began = time.perf_counter()
            rates = [member.learning_rate for member in members]
            trained = stack.train_epoch([_batches(member, epoch) for member in members])
            seconds = time.perf_counter() - began
            for member, rate, scores in zip(members, rates, trained, strict=True):
                if member in active:  # one that has stopped is moved on with the others, but nobody looks
                    member.keep_epoch(rate, scores, seconds / len(active))
            unsaved = True
            tell(_line(active, seconds))
            stopped = [member for member in active if member.stopped is not None]
            if time.perf_counter() - saved > _SAVE_SECONDS:
                stopped, unsaved, saved = active, False, time.perf_counter()
            for member in stopped:
                member.save()
            active = [member for member in active if member.stopped is None]
    finally:
        for member in active if unsaved else ():
            member.save()
    return active


def _batches(member: Training, epoch: int | None = None) -> EpochBatches:
    done = len(member.checkpoint.history) if epoch is None else epoch
    return cast("EpochBatches", epoch_batches(member.experiment, member.data, done))


def _line(members: list[Training], seconds: float) -> str:
    row = [member.checkpoint.history[-1] for member in members]
    split = (
        "validation" if "validation_accuracy" in row[0] else "train"
    )  # which is all there is where both are trained on
    scores = [one[f"{split}_accuracy"] for one in row]
    low, high = min(scores), max(scores)
    return f"epoch {row[0]['epoch']}  {len(row)} runs  {split} accuracy {low:.4f} to {high:.4f}  {seconds:.1f} s"
