"""Latent vectors to sequences of values, through recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..recurrence import Cell, Readout, recur_feedback
from ..sequences.ragged import Ragged, back_to_back
from .architecture import Architecture
from .conditioning import Attention, Conditioning
from .convolution import ConvolutionWriter
from .draw import Draw
from .interface import ValueDecoder
from .layer import LinearMap, RecurrentLayer
from .rows import in_reverse, shifted, with_values
from .stack import layers, run, run_to_end


class RecurrentDecoder(ValueDecoder):
    """A stack of recurrent layers that starts from the latent vector, and a readout of each step.

    sizes: units of each layer. writer: from the readout's values to steps of the data, None where they are the same.
    """

    def __init__(
        self,
        architecture: Architecture,
        cell: Cell,
        sizes: Sequence[int],
        *,
        latent_size: int,
        n_channels: int,
        n_steps: int | None = None,
        writer: ConvolutionWriter | None = None,
    ) -> None:
        super().__init__()
        self._architecture, self._cell, self.n_channels = architecture, cell, n_channels
        self.conditioning = Conditioning(architecture, cell, sizes, latent_size, n_steps)
        has_feedback = architecture.feedback != "none"
        self.layers = layers(cell, n_channels if has_feedback else self.conditioning.input_size, sizes)
        self.start = nn.Parameter(torch.zeros(n_channels, dtype=torch.float32)) if has_feedback else None
        self.attention = Attention(sizes[-1], latent_size) if architecture.has_attention else None
        head_input = n_channels if architecture.readout == "final" else sizes[-1]
        head_input += latent_size if architecture.has_attention else 0
        head_size = n_channels if writer is None else writer.input_size
        self.head = LinearMap(head_input, head_size) if architecture.readout != "none" else None
        self.writer = writer

    def forward(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.forward; a decoder that reads the step before reads its own."""
        if self.start is None:
            return self._unfed(latent, lengths, memory, None)
        predictions = self._running_free(latent, lengths, self.start)
        return in_reverse(predictions) if self._architecture.is_reversed else predictions

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See Decoder.taught."""
        if self.start is None:
            return self._unfed(latent, target.lengths, memory, draw)
        if self._architecture.feedback == "own":
            return self(latent, target.lengths)
        wanted = in_reverse(target) if self._architecture.is_reversed else target
        predictions = self._reading(latent, wanted, draw)
        if self._architecture.feedback == "scheduled" and draw is not None:
            predictions = self._reading(latent, _mixed(wanted, predictions, draw), draw)
        return in_reverse(predictions) if self._architecture.is_reversed else predictions

    def _unfed(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """The decoder that reads no steps of the sequence."""
        core_lengths = lengths if self.writer is None else self.writer.core_lengths(lengths)
        inputs, states = self.conditioning.inputs(latent, core_lengths), self.conditioning.states(latent)
        dropout = self._architecture.dropout
        if self._architecture.readout == "final":
            final = run_to_end(self._stack, inputs)
            steps = final.reshape(-1, self.n_channels)
            return back_to_back(steps if self.head is None else self.head(steps), lengths)
        readout = None if self.head is None or self.attention is not None else self.head.readout
        outputs = run(self._stack, inputs, states, readout=readout, dropout=dropout, draw=draw)
        if self.attention is not None:
            outputs = self._attended(outputs, _or_vectors(memory, latent))
        if self.writer is not None:
            outputs = self.writer(outputs, lengths)
        return in_reverse(outputs) if self._architecture.is_reversed else outputs

    def _attended(self, hidden: Ragged, memory: Ragged) -> Ragged:
        if self.attention is None or self.head is None:
            return hidden
        contexts = self.attention(hidden, memory)
        return with_values(hidden, self.head(torch.cat([hidden.values, contexts], dim=1)))

    def _reading(self, latent: Tensor, steps: Ragged, draw: Draw | None) -> Ragged:
        """The decoder that reads the step before from `steps`."""
        start = self.start if self.start is not None else latent.new_zeros(self.n_channels)
        inputs = shifted(steps, start)
        hidden = self._architecture.dropped_feedback
        if draw is not None and hidden > 0:
            inputs = with_values(inputs, inputs.values * draw.kept((len(inputs.values), 1), hidden, inputs.values))
        readout = None if self.head is None else self.head.readout
        states = self.conditioning.states(latent)
        return run(self._stack, inputs, states, readout=readout, dropout=self._architecture.dropout, draw=draw)

    def _running_free(self, latent: Tensor, lengths: np.ndarray, first: Tensor) -> Ragged:
        """The decoder that reads its own last step. first: (n_channels,), or one for each sequence."""
        states = self.conditioning.states(latent) or []
        starts = first.expand(len(lengths), self.n_channels)
        readout = self._readout()
        return recur_feedback(
            self._cell, starts.contiguous(), lengths, [layer.weights for layer in self._stack], states, readout
        )

    def _readout(self) -> Readout:
        """The head; without one, the map that changes nothing."""
        if self.head is not None:
            return self.head.readout
        like = self._stack[-1].weight_hh
        return Readout(torch.eye(self.n_channels).to(like), like.new_zeros(self.n_channels))

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [[layer] for layer in self._stack]

    @property
    def _stack(self) -> list[RecurrentLayer]:
        return list(self.layers)  # pyright: ignore[reportReturnType]


def _or_vectors(memory: Ragged | None, latent: Tensor) -> Ragged:
    """What to attend over: the vector alone where there is nothing else."""
    if memory is not None:
        return memory
    lengths = np.ones(len(latent), np.int64)
    return back_to_back(latent, lengths)


def _mixed(target: Ragged, predictions: Ragged, draw: Draw) -> Ragged:
    """Each true step replaced by the prediction with a probability that rises to 1 (Duckworth et al. 2019)."""
    is_true = draw.kept((len(target.values), 1), draw.progress, target.values)
    return with_values(target, torch.where(is_true > 0, target.values, predictions.values))
