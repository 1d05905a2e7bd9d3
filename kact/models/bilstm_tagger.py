"""`bilstm_tagger`: an LSTM in both directions over a sentence, then a dense layer with the activation under study.

Z. Huang, W. Xu and K. Yu, Bidirectional LSTM-CRF Models for Sequence Tagging (2015), https://arxiv.org/abs/1508.01991,
without the CRF.

>>> BiLSTMTagger().lstm_units, BiLSTMTagger().hidden_units
(128, (128,))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kact.models.tagger import Tagger
from kact.settings import setting

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks


@dataclass(frozen=True)
class BiLSTMTagger(Tagger):
    """Tags each token from the whole sentence.

    Every hidden non-linearity outside the LSTM's cell is the activation. The cell keeps its own tanh and sigmoid: the
    fast kernels know no others, so that an activation inside it would change the kernel, and the speed, along with the
    function under study.
    """

    name: ClassVar[str] = "bilstm_tagger"
    summary: ClassVar[str] = "tags words: an LSTM in both directions, then dense layers"

    lstm_units: int = setting(128, "units of the LSTM in each direction", at_least=1)
    hidden_units: tuple[int, ...] = setting((128,), "units of each dense layer after it", at_least=1)

    def hidden(self, x: keras.KerasTensor, blocks: Blocks, mask: Any = None) -> keras.KerasTensor:
        import keras

        from kact.layers.masked_lstm import MaskedLSTM

        x = blocks.drop(x, name="token")
        kernel, recurrent = (blocks.seed_of(f"lstm {part}") for part in "kr")
        layer = MaskedLSTM(
            self.lstm_units,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(kernel),
            recurrent_initializer=keras.initializers.Orthogonal(seed=recurrent),
            name="lstm",
        )
        backward = MaskedLSTM.from_config(
            {
                **layer.get_config(),
                "name": "backward_lstm",
                "go_backwards": True,
                # other draws than the forward direction's, or both would start from the same weights
                "kernel_initializer": keras.initializers.GlorotUniform(kernel ^ 1),
                "recurrent_initializer": keras.initializers.Orthogonal(seed=recurrent ^ 1),
            }
        )
        both = keras.layers.Bidirectional(layer, backward_layer=backward, name="lstm")
        x = blocks.drop(both(x, mask=mask), name="lstm")  # (batch, time, 2·units)
        for number, units in enumerate(self.hidden_units, start=1):
            x = blocks.hidden_dense(x, units, name=f"dense{number}", mask=mask, dropout=number < len(self.hidden_units))
        return x
