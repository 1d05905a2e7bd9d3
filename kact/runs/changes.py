"""What of the user's own, data or code, is not what it was when a run was begun.

>>> OwnCode.noted({"data": "1a2b"})
OwnCode(activation=[], layout={})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kact.activations.own import unchanged, values_of
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import Model
from kact.models.layout import layout_of, same_layout
from kact.own_code import KIND, named_in
from kact.tasks import TaggedData, TaskData, get_record, load_task

_WAY_OUT = "Give the new one a name of its own, or begin in another directory; or put the old one back."


@dataclass(frozen=True)
class OwnCode:
    """By what a run knows code of one's own again.

    Attributes:
        activation: what it makes of some numbers, `kact.activations.own.values_of`; nothing for one of kact's.
        layout: of the model, `kact.models.layout.layout_of`; nothing for one of kact's.
    """

    activation: Sequence[float | None] = field(default_factory=list)
    layout: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def now(cls, experiment: Experiment, input_shape: Sequence[int]) -> OwnCode:
        """Return what an experiment's code is now, for images of a shape.

        Raises:
            KactError: if it cannot be used.
        """
        return cls(values_of(experiment.activation), layout_of(experiment.model, input_shape))

    @classmethod
    def noted(cls, provenance: Mapping[str, Any]) -> OwnCode:
        """Return what a run noted of it in its provenance."""
        return cls(provenance.get("activation") or [], provenance.get("layout") or {})

    def to_dict(self) -> dict[str, Any]:
        """Return what a run is to note of it."""
        return {name: value for name, value in vars(self).items() if value}

    def changed(self, now: OwnCode) -> str:
        """Return what is another now, "activation" or "model"; "" where nothing speaks for that."""
        if not unchanged(self.activation, now.activation):
            return "activation"
        return "" if same_layout(self.layout, now.layout) else "model"

    def check(self, experiment: Experiment, begun: Path) -> None:
        """Compare it with what an experiment's code is now.

        Args:
            experiment: whose code it was.
            begun: the directory of the run or study that was begun with it.

        Raises:
            KactError: if something is another now, or can be used no longer.
        """
        self.check_activation(experiment, begun)
        if self.layout and self.changed(OwnCode([], layout_of(experiment.model, self.layout.get("input_shape") or ()))):
            raise KactError(
                f"The model {experiment.model.spec!r} has other layers than when '{begun}' was begun.",
                _WAY_OUT,
                kind=KIND,
            )

    def check_activation(self, experiment: Experiment, begun: Path) -> None:
        """Compare the activation alone, which a saved model still applies; see `check`."""
        if self.activation and self.changed(OwnCode(values_of(experiment.activation))):
            raise KactError(
                f"The activation {experiment.activation!r} computes something else than when '{begun}' was begun.",
                _WAY_OUT,
                kind=KIND,
            )


@dataclass
class OwnCheck:
    """Compares what many runs were begun with, with what is there now: everything once.

    Attributes:
        begun: the directory of the study or search that is not to mix the two.
        way_out: what to do to train on data that is there now.
    """

    begun: Path
    way_out: str
    _data_now: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    _compared: list[tuple[str, Model, OwnCode]] = field(default_factory=list, init=False)

    def check(self, experiment: Experiment, data: str, code: OwnCode) -> None:
        """Raise if an experiment's own data or code is not what its run was begun with.

        Args:
            experiment: of the run.
            data: SHA-256 of the data that the run was begun with; "" if unknown.
            code: by what the run knows its code again.

        Raises:
            KactError: if something is another now, or can be used no longer.
        """
        if (experiment.activation, experiment.model, code) not in self._compared:
            code.check(experiment, self.begun)
            self._compared.append((experiment.activation, experiment.model, code))
        if experiment.data is None or not data:
            return
        place = experiment.task, experiment.data
        if place not in self._data_now:  # read once for all runs; whoever trains then finds it in the cache
            found = own_data_of(experiment)
            self._data_now[place] = "" if found is None else found.fingerprint
        if self._data_now[place] not in ("", data):
            raise changed_data(experiment, self.begun, self.way_out)


def has_own(experiment: Mapping[str, Any]) -> bool:
    """Return whether data or code of the user's own is in an experiment, given as plain values.

    Example:
        >>> has_own(Experiment(activation="math:erf").to_dict()), has_own(Experiment().to_dict())
        (True, False)
    """
    return experiment.get("data") is not None or named_in(experiment) != ""


def own_data_of(experiment: Experiment) -> TaskData | TaggedData | None:
    """Return the user's own data that an experiment is of, as it is now; None if it is of none, or that is gone.

    Published data sets are not read: they do not change, and a finished run is to be told of at once. Where a folder is
    gone there is nothing else to train on either, and what was made of it stands.

    Raises:
        KactError: if the data is there and cannot be used.
    """
    if experiment.data is None or not Path(experiment.data).expanduser().exists():
        return None
    return load_task(
        experiment.task,
        data=experiment.data,
        validation_fraction=experiment.validation_fraction,
        train_on=experiment.train_on,
    )


def changed_data(
    experiment: Experiment, begun: Path, way_out: str = "Give another --out, or delete that run"
) -> KactError:
    """Return the error of data that is not what was there when something was begun.

    Args:
        experiment: of that data.
        begun: the directory of the run or study.
        way_out: what to do to train on what is there now.
    """
    return KactError(
        f"The data of the task {get_record(experiment.task).name!r} changed since '{begun}' was begun.",
        f"{way_out}, to train on what is there now.",
    )
