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
        if mask is None:
            sequences = ops.flip(sequences, axis=1) if self.go_backwards else sequences
            outputs, hidden, carry = self._kernel(sequences.transpose(0, 1), initial_state)
            return outputs[-1], outputs.transpose(0, 1), [hidden, carry]
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

        from kact.layers.rows_torch import moved

        batch, steps = sequences.shape[:2]
        mask = mask.to(torch.bool).reshape(batch, steps)
        rows = torch.arange(batch, device=mask.device)[:, None]  # of the batch
        if self.go_backwards:
            mask = mask.flip(1)
        order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)  # real steps first, in their order
        back = torch.argsort(order, dim=1, stable=True) * batch + rows  # (batch, time): where each step goes
        there = (rows * steps + order).t()  # (time, batch): where each step comes from
        if self.go_backwards:  # the same of the sequences, which lie the other way round
            read, given_back = (rows * steps + steps - 1 - order).t(), back.flip(1)
        else:
            read, given_back = there, back
        packed = moved(sequences.reshape(batch * steps, -1), read, given_back)  # (time, batch, features)
        length = mask.sum(dim=1)  # (batch,)
        held = None
        if self.return_state or self.stateful:  # what lies under the mask must leave the carry alone
            held = torch.arange(steps, device=mask.device)[:, None] >= length  # (time, batch)
            packed = torch.where(held[..., None], torch.zeros_like(packed), packed)
        made, _, carry = self._kernel(packed, initial_state, held)
        made = made.reshape(steps * batch, -1)
        seen = mask.cumsum(dim=1)  # real steps up to each, (batch, time)
        if self.zero_output_for_mask:
            outputs = torch.where(mask[..., None], moved(made, back, there), 0.0)  # (batch, time, units)
        else:  # before the first real step Keras puts out nothing, whatever the initial state
            last = ((seen - 1).clamp(min=0) * batch + rows).reshape(-1)
            outputs = made.index_select(0, last).reshape(batch, steps, -1)
            outputs = torch.where(seen[..., None] > 0, outputs, 0.0)
        hidden = made.index_select(0, (length - 1).clamp(min=0) * batch + rows[:, 0])
        hidden = torch.where(length[:, None] > 0, hidden, initial_state[0])  # (batch, units)
        return outputs[:, -1], outputs, [hidden, carry]

    def _kernel(self, sequences: Any, initial_state: Any, held: Any = None) -> tuple[Any, Any, Any]:
        """Run PyTorch's kernel over `(time, batch, features)`; where `held` is true the carry passes through unchanged.

        An input of its own that is 1 there closes the input gate and opens the forget gate, exactly.
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
        outputs, hidden, carry = torch._VF.lstm(sequences, states, weights, True, 1, 0.0, True, False, False)
        return outputs, hidden[0], carry[0]
