"""An LSTM whose masked steps cost nothing extra on torch: PyTorch's own kernel for any mask, and the same numbers.

Keras runs an LSTM that is given a mask through a Python loop over time on the torch backend. Here the steps that are
not masked are moved together at the front of each sequence, the whole batch goes through one native kernel, and the
outputs go back to their places; a state that is carried over masked steps is then just the state after the last real
one. On other backends, and wherever the native kernel does not compute what Keras would, Keras' own layer runs.

The cell: S. Hochreiter and J. Schmidhuber, Long short-term memory (1997).

>>> layer = MaskedLSTM(4, return_sequences=True)
>>> type(layer).from_config(layer.get_config()).units
4
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kact import backend

_SATURATED = 1e4  # a gate's sigmoid is exactly 0 or 1 there, in float16 too


@keras.saving.register_keras_serializable("kact")
class MaskedLSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` with PyTorch's kernel on the torch backend, whatever the mask.

    Arguments, weights, outputs, states and saved files are those of `keras.layers.LSTM`. The mask may hide any steps:
    at the end, at the beginning, in between, or all of them.

    Source: Keras' documentation of masks in recurrent layers, https://keras.io/guides/understanding_masking_and_padding.
    """

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Return the last output, all outputs and the final states, as `keras.layers.RNN.inner_loop` does."""
        if isinstance(mask, list | tuple):
            mask = mask[0]
        if not self._is_native(sequences, training):
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        if mask is None:
            outputs, hidden, carry = self._kernel(sequences, initial_state)
            return outputs[:, -1], outputs, [hidden, carry]
        return self._masked(sequences, initial_state, mask)

    def _is_native(self, sequences: Any, training: bool) -> bool:
        """Return whether PyTorch's kernel computes what this layer is asked for."""
        cell = self.cell
        plain_cell = (
            cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
            and cell.use_bias
        )
        drops = training and (cell.dropout or cell.recurrent_dropout)
        if backend.name() != "torch" or self.unroll or not plain_cell or drops:
            return False
        return sequences.device.type != "meta" and sequences.shape[1] > 0  # Keras works shapes out on "meta"

    def _masked(self, sequences: Any, initial_state: Any, mask: Any) -> Any:
        import torch

        steps, units = sequences.shape[1], self.units
        mask = mask.to(torch.bool).reshape(sequences.shape[:2])
        order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)  # real steps first, in their order
        packed = torch.where(mask[..., None], sequences, torch.zeros_like(sequences))
        packed = packed.gather(1, order[..., None].expand(-1, -1, packed.shape[2]))  # (batch, time, features)
        length = mask.sum(dim=1)  # (batch,)
        padded = torch.arange(steps, device=mask.device) >= length[:, None]
        needs_carry = self.return_state or self.stateful
        made, _, carry = self._kernel(packed, initial_state, held=padded if needs_carry else None)
        none_yet = torch.zeros_like(made[:, :1])  # Keras' output before the first real step, whatever the initial state
        made = torch.cat([none_yet, made], dim=1)  # (batch, 1 + time, units)
        seen = mask.cumsum(dim=1)  # real steps up to each
        outputs = made.gather(1, seen[..., None].expand(-1, -1, units))  # (batch, time, units)
        hidden = made.gather(1, length[:, None, None].expand(-1, 1, units))[:, 0]  # (batch, units)
        hidden = torch.where(length[:, None] > 0, hidden, initial_state[0])
        if self.zero_output_for_mask:
            outputs = torch.where(mask[..., None], outputs, torch.zeros_like(outputs))
        return outputs[:, -1], outputs, [hidden, carry]

    def _kernel(self, sequences: Any, initial_state: Any, held: Any = None) -> tuple[Any, Any, Any]:
        """Run PyTorch's kernel; at the steps that `held` names the carry passes through unchanged.

        An input of its own that is 1 at those steps closes the input gate and opens the forget gate, exactly.
        """
        import torch

        kernel, recurrent, bias = (
            ops.convert_to_tensor(weight, dtype=sequences.dtype)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        if held is not None:
            gate = torch.ones(1, self.units, dtype=kernel.dtype, device=kernel.device) * _SATURATED
            rest = torch.zeros_like(gate)
            kernel = torch.cat([kernel, torch.cat([-gate, gate, rest, rest], dim=1)])  # gates: input, forget, cell, out
            sequences = torch.cat([sequences, held[..., None].to(sequences.dtype)], dim=2)
        weights = [kernel.t().contiguous(), recurrent.t().contiguous(), bias, torch.zeros_like(bias)]
        states = tuple(state.to(sequences.dtype)[None].contiguous() for state in initial_state)
        # has_biases, num_layers, dropout, train (cuDNN keeps for backward what it needs), bidirectional, batch_first
        outputs, hidden, carry = torch._VF.lstm(sequences, states, weights, True, 1, 0.0, True, False, True)
        return outputs, hidden[0], carry[0]
