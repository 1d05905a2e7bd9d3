"""What every model is: a frozen dataclass of its sizes that lays out layers, with the activation left open."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kact.errors import KactError
from kact.settings import check_settings, frozen, thawed

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks


@dataclass(frozen=True)
class Model:
    """A network's sizes, and how its hidden layers are laid out.

    Subclasses are frozen dataclasses whose fields are sizes with defaults; everything that all models share
    (activation, batch norm, dropout, initialiser) comes in through `Blocks`. A field that is a `kact.settings.setting`
    has a range that is checked, and help for the command line.
    """

    name: ClassVar[str]  # the class' own in small letters, unless it says another
    summary: ClassVar[str] = ""
    input: ClassVar[str] = "image"  # or "words": which tasks it can be trained on
    task: ClassVar[str] = "digits"  # what the command line trains it on where no task is named
    batch_norm: ClassVar[bool] = False  # whether an experiment that does not say normalises its hidden layers

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))
        check_settings(self)
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is None and field.default is not None:  # files leave None out
                raise KactError.parameter(field.name, None, "a value, as None is not its default")

    @property
    def spec(self) -> str:
        """What files and flags call it: its name, or `package.module:Class` for a class of one's own."""
        kind = type(self)
        return f"{kind.__module__}:{kind.__qualname__}" if is_own(kind) else self.name

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
        """Return what the model is called and its sizes as plain values, without those that are None."""
        sizes = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"name": self.spec, **{key: thawed(value) for key, value in sizes.items() if value is not None}}


def is_own(kind: type[Model]) -> bool:
    """Return whether a class of models is somebody's own rather than one of kact's."""
    return not kind.__module__.startswith("kact.models.")
