"""What every model is: a frozen dataclass of its sizes that lays out layers, with the activation left open."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kact.settings import check_settings

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks


@dataclass(frozen=True)
class Model:
    """A network's sizes, and how its hidden layers are laid out.

    Subclasses are frozen dataclasses whose fields are `setting`s; everything that all models share (activation, batch
    norm, dropout, initialiser) comes in through `Blocks`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    input: ClassVar[str] = "image"  # or "words": which tasks it can be trained on
    task: ClassVar[str] = "digits"  # what the command line trains it on where no task is named
    batch_norm: ClassVar[bool] = False  # whether an experiment that does not say normalises its hidden layers

    def __post_init__(self) -> None:
        check_settings(self)

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        """Lay out all layers between the normalised input and the logits.

        Args:
            x: symbolic input, `(batch, height, width, channels)`.
            blocks: makes the layers, with the activation under study in them.

        Returns:
            Symbolic features, `(batch, units)`.
        """
        raise TypeError(f"{type(self).__name__} does not define hidden().")

    def to_dict(self) -> dict[str, Any]:
        """Return the model's name and sizes as plain values, without those that are None."""
        sizes = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in sizes.items()}
        return {"name": self.name, **{key: value for key, value in plain.items() if value is not None}}
