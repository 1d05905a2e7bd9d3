"""`window_tagger`: dense layers over the vectors of a token and its neighbours, the network of study 1c.

The GELU paper's tagger (D. Hendrycks and K. Gimpel 2016, https://arxiv.org/abs/1606.08415): a window of three words,
two hidden layers of 256 units, dropout. Its Twitter word vectors are replaced by the features of `kact.models.tagger`.

>>> WindowTagger(window=5).hidden_units
(256, 256)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kact.errors import KactError
from kact.models.tagger import Tagger
from kact.settings import setting

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks


@dataclass(frozen=True)
class WindowTagger(Tagger):
    """Tags each token from the features of a few words around it; every hidden non-linearity is the activation."""

    name: ClassVar[str] = "window_tagger"
    summary: ClassVar[str] = "tags words: dense layers over a window of words' vectors"

    window: int = setting(3, "words that are seen at once, an odd number", at_least=1)
    hidden_units: tuple[int, ...] = setting((256, 256), "units of each hidden layer", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2 == 0:
            raise KactError.parameter("window", self.window, "an odd number, the token itself in the middle")

    def hidden(self, x: keras.KerasTensor, blocks: Blocks, mask: Any = None) -> keras.KerasTensor:
        import keras
        from keras import ops

        x = blocks.drop(x, name="token")
        side = self.window // 2
        if side:
            padded = keras.layers.ZeroPadding1D(side, name="window_padding")(x)
            ends = [start - 2 * side or None for start in range(self.window)]
            views = [padded[:, start:end] for start, end in enumerate(ends)]
            x = ops.concatenate(views, axis=-1)  # (batch, time, window·width)
        for number, units in enumerate(self.hidden_units, start=1):
            x = blocks.hidden_dense(x, units, name=f"dense{number}", mask=mask)
        return x
