"""Training: one run under way, its model, its data and how far it has come.

What `kact.train.run` does with one run, and `kact.run_many` with many: every epoch ends in a checkpoint, and a run that
is taken up again goes on after its last one.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import backend, losses, optimizers
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import described_layers
from kact.runs import OwnCode, Run, RunDirectory, changed_data
from kact.runs.checkpoint import Checkpoint, without_checkpoint
from kact.runs.history import Row, write_rows
from kact.storage.files import atomic
from kact.tasks import TaskData
from kact.text.encoded import EncodedData
from kact.training.assembly import build_network, epoch_batches, load_arrays_of
from kact.training.scores import loss_and_accuracy, score, tag_scores
from kact.training.stopping import best_epoch, stopped_by

if TYPE_CHECKING:
    import keras

    from kact.engine.stock import StockEngine
    from kact.training.progress import Progress

_SPLITS = ("train", "validation", "test")
_log = logging.getLogger("kact")


@dataclass
class Training:
    """One run under way: its model, its data, and how far it has come."""

    experiment: Experiment
    directory: RunDirectory
    device: str
    data: TaskData | EncodedData
    model: keras.Model
    engine: StockEngine
    checkpoint: Checkpoint
    backbone_sha256: str | None = None

    @classmethod
    def prepare(
        cls,
        experiment: Experiment,
        directory: RunDirectory,
        device: str,
        engine: str = "auto",
        data: TaskData | EncodedData | None = None,
    ) -> Training:
        """Load the data, unless it is here already, and build the model, before anything is written."""
        from kact.engine import make_engine
        from kact.training.escapes import escapes

        data = load_arrays_of(experiment) if data is None else data
        if experiment.batch_size > len(data.train):
            _log.warning(
                "An epoch is one step: batches of %d take all of the %d training examples. A smaller --batch-size"
                " learns more in as many epochs.",
                experiment.batch_size,
                len(data.train),
            )
        own_code = OwnCode.now(experiment, data.task.input_shape)
        model, backbone_sha256 = build_network(experiment, data)
        for sentence in escapes(model, experiment):
            _log.warning(sentence)
        steps = math.ceil(len(data.train) / experiment.batch_size)
        rate = optimizers.make_schedule(experiment.schedule, experiment.learning_rate, experiment.epochs, steps)
        made = make_engine(
            engine,
            model,
            optimizers.make_optimizer(experiment.optimizer, rate),
            losses.make_loss(experiment.loss, len(data.task.labels)),
            experiment.l2,
        )
        checkpoint = Checkpoint(backend.name(), engine, data=data.fingerprint, **own_code.to_dict())
        return cls(experiment, directory, device, data, model, made, checkpoint, backbone_sha256)

    def watched(self, progress: Progress | None) -> Progress:
        """Return a progress that keeps the run's diary and tells `progress` of everything."""
        from kact.training.diary import Watcher

        return Watcher(self.model, self.data, self.experiment.loss, progress)

    def restore(self, continue_from: Run | str | Path | None) -> None:
        """Take up the checkpoint of this run, or of the shorter one that it continues, if there is one."""
        path, begun_with, own_code = self.directory.checkpoint_path, "", OwnCode()
        if continue_from is not None and not path.exists():
            shorter = continue_from if isinstance(continue_from, Run) else Run.load(continue_from)
            path, begun_with = shorter.path / "checkpoint.npz", shorter.metrics["provenance"]["data"]
            own_code = OwnCode.noted(shorter.metrics["provenance"])
            if shorter.experiment.replace(epochs=self.experiment.epochs) != self.experiment:
                raise KactError(
                    f"'{shorter.path}' is a run of another experiment; only `epochs` may differ.",
                    "Leave the other flags as that run has them: `kact inspect` shows them.",
                )
            if self.experiment.epochs <= shorter.experiment.epochs:
                raise KactError(
                    f"'{shorter.path}' has {shorter.experiment.epochs} epochs; going on needs more.",
                    f"Give --epochs {shorter.experiment.epochs + 1} or above.",
                )
            if self.experiment.schedule.split("(")[0] != "constant":
                raise KactError(
                    f"The schedule {self.experiment.schedule!r} was laid out for {shorter.experiment.epochs} epochs.",
                    "Only a run with a constant learning rate can go on; train a new one.",
                )
        if not path.exists():
            return
        found = Checkpoint.load(path)
        if found.backend != backend.name():
            raise KactError(
                f"'{path.parent}' was begun on the {found.backend} backend and this is {backend.name()}.",
                f"Set KERAS_BACKEND={found.backend}, or choose another --out.",
            )
        if found.engine != self.checkpoint.engine:
            raise KactError(
                f"'{path.parent}' was begun with --engine {found.engine}.",
                f"Go on with --engine {found.engine}, or choose another --out.",
            )
        begun_with = found.data or begun_with
        own_code = OwnCode(found.activation or own_code.activation, found.layout or own_code.layout)
        own_code.check(self.experiment, path.parent)
        if begun_with and begun_with != self.data.fingerprint:  # before the arrays: a new class changes their shapes
            own = path == self.directory.checkpoint_path
            raise changed_data(self.experiment, path.parent, *(() if own else ("Leave --continue-from away",)))
        found.data = self.data.fingerprint
        found.activation, found.layout = self.checkpoint.activation, self.checkpoint.layout
        _assign(self.model.variables, found.weights, path)
        _assign(self._optimizer.variables, found.optimizer, path)
        self.checkpoint = found

    def train(self, progress: Progress | None) -> None:
        """Train epoch after epoch until a stopping rule holds, with a checkpoint after each."""
        experiment, done = self.experiment, len(self.checkpoint.history)
        if stopped_by(experiment, self.checkpoint) is None:
            self.engine.prepare(self.data.train, min(experiment.batch_size, len(self.data.train)))
        if progress is not None:
            reason = self.engine.reason
            where = self.device if reason is None else f"{self.device} (with stock Keras: {reason})"
            progress.started(experiment, self.directory.path, where, done)
        while self.stopped is None:
            epoch = len(self.checkpoint.history)
            began = time.perf_counter()
            batches = epoch_batches(experiment, self.data, epoch)
            tell = None if progress is None else _batch_teller(progress, len(batches))
            rate = self.learning_rate
            trained = self.engine.train_epoch(batches, tell)
            seconds = time.perf_counter() - began
            row = self.keep_epoch(rate, trained, seconds)
            self.save()
            if progress is not None:
                progress.epoch_done(row, experiment.epochs, seconds)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(backend.to_numpy(self._optimizer.learning_rate))

    @property
    def stopped(self) -> str | None:
        """The rule that ends the run here, if one does."""
        return stopped_by(self.experiment, self.checkpoint)

    def take_kept(self) -> list[np.ndarray]:
        """Give the model the weights that the run keeps, and return them; none if it diverged in its first epoch."""
        checkpoint = self.checkpoint
        kept = checkpoint.weights if self._keeps_last else checkpoint.best_weights
        if kept:
            _assign(self.model.variables, kept, self.directory.checkpoint_path)
        return kept

    def finish(self) -> None:
        """Score the kept weights on every split, save them, and write the run's metrics."""
        checkpoint, directory = self.checkpoint, self.directory
        kept = self.take_kept()
        stopped = self.stopped
        scores, inference_seconds = self._final_scores() if kept else (dict.fromkeys(_SPLITS), None)
        if any(one is not None and not math.isfinite(one["loss"]) for one in scores.values()):
            stopped, kept = "diverged", []  # by its last step, which neither another one nor validation saw
            scores, inference_seconds = dict.fromkeys(_SPLITS), None
        if kept:
            with atomic(directory.path / "model.keras") as temporary:
                self._inference_model(kept).save(temporary)
        write_rows(directory.path / "history.csv", checkpoint.history)
        if checkpoint.test_curve:
            write_rows(directory.path / "test_curve.csv", checkpoint.test_curve)
        if isinstance(self.data, EncodedData):
            with atomic(directory.path / "vocabulary.json") as temporary:
                self.data.vocabulary.save(temporary)
        directory.finish(
            {
                "status": "diverged" if stopped == "diverged" else "finished",
                "stopped_by": stopped,
                "epochs": len(checkpoint.history),
                "best_epoch": checkpoint.best_epoch,
                "kept_epoch": len(checkpoint.history) if kept and self._keeps_last else checkpoint.best_epoch,
                **scores,
                "timing": self._timing(inference_seconds),
                "task": {
                    "labels": list(self.data.task.labels),
                    "input_shape": list(self.data.task.input_shape),
                    "fit": self.data.task.fit,
                },
                "model": {"parameters": self.model.count_params(), "layers": described_layers(self.model)},
                "provenance": self._provenance(),
            }
        )

    def _final_scores(self) -> tuple[dict[str, Any], float]:
        """Return the scores on each split, None of one without examples, and the seconds of 10,000 outputs on test."""
        scores: dict[str, Any] = dict.fromkeys(_SPLITS)
        seconds = 0.0
        for name in _SPLITS:  # train comes first, with whatever is compiled on first use
            split = getattr(self.data, name)
            if not len(split):  # validation, where it is trained on
                continue
            outputs, labels, taken = self.engine.timed_outputs_of(split)
            seconds = taken * 10_000 / len(labels)
            scores[name] = score(outputs, labels, self.data.task.labels, self.experiment.loss)
            if isinstance(self.data, EncodedData):
                scores[name] |= tag_scores(outputs, split, self.data.unknown_tags[name])
        return scores, seconds

    def _timing(self, inference_seconds: float | None) -> dict[str, Any]:
        seconds, tags = sum(self.checkpoint.epoch_seconds), isinstance(self.data, EncodedData)
        unit, trained_on = ("tokens", len(self.data.train.labels)) if tags else ("images", len(self.data.train))
        return {
            "train_seconds": seconds,
            "epoch_seconds": self.checkpoint.epoch_seconds,
            f"{unit}_per_second": trained_on * len(self.checkpoint.history) / seconds,
            "inference_seconds_for_10000": inference_seconds,
        }

    def _provenance(self) -> dict[str, Any]:
        return {
            "backend": backend.name(),
            "device": self.device,
            "precision": self.experiment.precision,
            "step": self.checkpoint.step,
            "data": self.data.fingerprint,
            **OwnCode(self.checkpoint.activation, self.checkpoint.layout).to_dict(),
            **({"resources": self.data.resources} if isinstance(self.data, EncodedData) else {}),
            "backbone": self.backbone_sha256,
            "versions": backend.versions(),
        }

    @property
    def _optimizer(self) -> keras.Optimizer:
        return self.model.optimizer

    @property
    def _keeps_last(self) -> bool:
        return self.experiment.keep == "last" and self.stopped != "diverged"

    def _validate(self) -> Row:
        """Return validation's scores; none where it is trained on."""
        if not len(self.data.validation):
            return {}
        found = self.engine.outputs_of(self.data.validation)
        return _prefixed("validation", loss_and_accuracy(*found, self.experiment.loss))

    def keep_epoch(self, rate: float, trained: dict[str, float], seconds: float) -> Row:
        """Score an epoch that was just trained on validation, and note it and where it led in the checkpoint.

        Args:
            rate: the learning rate that it began with.
            trained: its `loss` and `accuracy` on train.
            seconds: that it took.

        Returns:
            The epoch's row of the history.
        """
        before, experiment = self.checkpoint, self.experiment
        epoch = len(before.history) + 1
        row = {"epoch": epoch, "learning_rate": rate, **_prefixed("train", trained), **self._validate()}
        history, weights = [*before.history, row], [backend.to_numpy(variable) for variable in self.model.variables]
        best, test_curve = best_epoch(history, experiment.monitor), before.test_curve
        if experiment.test_curve:
            scores = loss_and_accuracy(*self.engine.outputs_of(self.data.test), experiment.loss)
            test_curve = [*test_curve, {"epoch": epoch, **_prefixed("test_curve", scores)}]
        self.checkpoint = dataclasses.replace(  # at once: somebody may interrupt, and it is saved all the same
            before,
            history=history,
            step={"kind": self.engine.name, "reason": self.engine.reason, **self.engine.facts},
            epoch_seconds=[*before.epoch_seconds, seconds],
            weights=weights,
            optimizer=[backend.to_numpy(variable) for variable in self._optimizer.variables],
            best_weights=weights if best == epoch else before.best_weights,
            best_epoch=best,
            test_curve=test_curve,
        )
        return row

    def save(self) -> None:
        """Write the checkpoint and the history, so that the epochs done are safe."""
        self.checkpoint.save(self.directory.checkpoint_path)
        write_rows(self.directory.path / "history.csv", self.checkpoint.history)

    def _inference_model(self, weights: list[np.ndarray]) -> keras.Model:
        """Return the same network without its optimizer, which is all that a saved file should hold."""
        if self.experiment.backbone is not None:  # it may be gone by now, so that nothing can be built on it again
            import keras

            return keras.Model(self.model.inputs[0], self.model.outputs[0], name=self.model.name)
        model, _ = build_network(self.experiment, self.data)
        _assign(model.variables, weights, self.directory.checkpoint_path)
        return model


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray], path: Path) -> None:
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise KactError(
            f"'{path}' was written by another version of kact or Keras: its arrays do not fit this model.",
            without_checkpoint(path),
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _batch_teller(progress: Progress, total: int) -> Callable[[int], None]:
    return lambda done: progress.batch_done(done, total)


def _prefixed(split: str, scores: dict[str, float]) -> Row:
    return {f"{split}_{name}": value for name, value in scores.items()}
