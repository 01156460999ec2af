"""Sequences to latent vectors, through recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..recurrence import Cell, State, concatenate
from ..sequences.ragged import Ragged
from .architecture import Architecture
from .draw import Draw
from .interface import Code, Encoder
from .latent import LengthCode
from .layer import LinearMap, RecurrentLayer
from .rows import with_values
from .stack import bidirectional_layers, directions_of, final_states, outputs_and_states


class RecurrentEncoder(Encoder):
    """A reader of steps, a stack of recurrent layers, one or both directions, and what of it makes the vector.

    reader: from steps of the data to steps of input_size values, None where they are the same.
    sizes: units of each layer per direction.
    """

    def __init__(
        self,
        architecture: Architecture,
        cell: Cell,
        sizes: Sequence[int],
        *,
        input_size: int,
        latent_size: int,
        reader: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.layers = bidirectional_layers(cell, input_size, sizes, is_bidirectional=architecture.is_bidirectional)
        summary_size = size_of_summary(architecture, cell, sizes)
        self.projection = LinearMap(summary_size, latent_size) if architecture.has_projection else None
        has_code = architecture.length_weight > 0 and architecture.has_projection
        self.length_code = LengthCode(latent_size) if has_code else None
        self.log_variance = LinearMap(summary_size, latent_size) if architecture.is_variational else None
        self._architecture = architecture

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode."""
        inputs = sequences if self.reader is None else self.reader(sequences)
        stack, dropout = self.recurrent_layers, self._architecture.dropout
        if self._architecture.summary == "pooled":
            outputs, _ = outputs_and_states(stack, inputs, dropout, draw)
            return self._pooled(outputs, sequences.lengths)
        states = final_states(stack, inputs, dropout, draw)
        return self._code(_join(states, self._architecture.summary, len(stack[-1])), sequences.lengths)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return directions_of(self.layers)

    def _code(self, summary: Tensor, lengths: np.ndarray) -> Code:
        latent = self._project(summary, lengths)
        return Code(latent, None if self.log_variance is None else self.log_variance(summary))

    def _project(self, summary: Tensor, lengths: np.ndarray) -> Tensor:
        """lengths: of the sequence of each row."""
        if self.projection is None:
            return summary
        return self.projection(summary, None if self.length_code is None else self.length_code.along(lengths))

    def _pooled(self, outputs: Ragged, lengths: np.ndarray) -> Code:
        if not self._architecture.has_attention:
            return self._code(_means(outputs), lengths)
        steps = self._project(outputs.values, np.repeat(lengths, lengths))
        memory = with_values(outputs, steps)
        return Code(_means(memory), None if self.log_variance is None else self.log_variance(_means(outputs)), memory)


def size_of_summary(architecture: Architecture, cell: Cell, sizes: Sequence[int]) -> int:
    """Values of what the encoder hands to the projection."""
    n_directions = 2 if architecture.is_bidirectional else 1
    per_unit = {"final": 1, "pooled": 1, "top_state": cell.n_states, "states": cell.n_states}
    units = sum(sizes) if architecture.summary == "states" else sizes[-1]
    return units * n_directions * per_unit[architecture.summary]


def _join(states: list[State], summary: str, n_directions: int) -> Tensor:
    """The values that make the vector, side by side. states: layer by layer, forward first."""
    chosen = {
        "final": [state[0] for state in states[-n_directions:]],
        "top_state": [part for state in states[-n_directions:] for part in state],
        "states": [part for state in states for part in state],
    }[summary]
    return concatenate(chosen) if len(chosen) > 1 else chosen[0]


def _means(outputs: Ragged) -> Tensor:
    """The mean step of each sequence, (n_sequences, size); its bits depend on that sequence alone."""
    lengths = torch.from_numpy(outputs.lengths).to(outputs.values.device)
    return torch.segment_reduce(outputs.values, "mean", lengths=lengths, axis=0, unsafe=True)
