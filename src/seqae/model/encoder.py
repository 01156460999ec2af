"""Sequences to latent vectors, through recurrent layers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..recurrence import State, concatenate
from ..sequences.ragged import Ragged
from .draw import Draw
from .interface import Code, Encoder, TrainingData
from .latent import LengthCode, length_statistics
from .layers import LinearMap, RecurrentLayer, directions_of, final_states, outputs_and_states
from .rows import with_values

Summary = Literal["final", "states", "top_state", "pooled"]


class RecurrentEncoder(Encoder):
    """Recurrent layers in one or both directions, and the summary of their states or outputs that becomes the vector.

    reader: maps steps of the data to the layers' input, None if they are the same. layers: see
    bidirectional_layers(). projection: of the summary, None if that is the vector. length_code: of a projected
    vector. log_variance: of the summary, for a variational model. is_attended: whether the decoder attends over all
    outputs, of which the vector is then the mean.
    """

    def __init__(
        self,
        layers: nn.ModuleList,
        summary: Summary,
        projection: LinearMap | None,
        *,
        reader: nn.Module | None = None,
        n_symbols: int | None = None,
        length_code: LengthCode | None = None,
        log_variance: LinearMap | None = None,
        is_attended: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.reader, self.layers, self.n_symbols = reader, layers, n_symbols
        self.projection, self.length_code, self.log_variance = projection, length_code, log_variance
        self._summary, self._is_attended, self._dropout = summary, is_attended, dropout

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode."""
        inputs = sequences if self.reader is None else self.reader(sequences)
        stack = self.recurrent_layers
        if self._summary == "pooled":
            outputs, _ = outputs_and_states(stack, inputs, self._dropout, draw)
            return self._pooled(outputs, sequences.lengths)
        states = final_states(stack, inputs, self._dropout, draw)
        return self._code(_join(states, self._summary, len(stack[-1])), sequences.lengths)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return directions_of(self.layers)

    def fit_closed_form(self, data: TrainingData) -> None:
        """Fit the length statistics; see Part.fit_closed_form."""
        if self.length_code is not None:
            self.length_code.statistics.copy_(length_statistics(data.encoded_lengths))

    def _code(self, summary: Tensor, lengths: np.ndarray) -> Code:
        latent = self._project(summary, lengths)
        return Code(latent, None if self.log_variance is None else self.log_variance(summary))

    def _project(self, summary: Tensor, lengths: np.ndarray) -> Tensor:
        """lengths: of the sequence of each row."""
        if self.projection is None:
            return summary
        return self.projection(summary, None if self.length_code is None else self.length_code.along(lengths))

    def _pooled(self, outputs: Ragged, lengths: np.ndarray) -> Code:
        if not self._is_attended:
            return self._code(_means(outputs), lengths)
        steps = self._project(outputs.values, np.repeat(lengths, lengths))
        memory = with_values(outputs, steps)
        return Code(_means(memory), None if self.log_variance is None else self.log_variance(_means(outputs)), memory)


def size_of_summary(summary: Summary, sizes: tuple[int, ...], n_states: int, n_directions: int) -> int:
    """Size of the summary, the input of the projection. sizes: units of each layer; n_states: of the cell."""
    per_unit = {"final": 1, "pooled": 1, "top_state": n_states, "states": n_states}
    units = sum(sizes) if summary == "states" else sizes[-1]
    return units * n_directions * per_unit[summary]


def _join(states: list[State], summary: str, n_directions: int) -> Tensor:
    """The summary, concatenated. states: layer by layer, forward first."""
    chosen = {
        "final": [state[0] for state in states[-n_directions:]],
        "top_state": [part for state in states[-n_directions:] for part in state],
        "states": [part for state in states for part in state],
    }[summary]
    return concatenate(chosen) if len(chosen) > 1 else chosen[0]


def _means(outputs: Ragged) -> Tensor:
    """The mean step of each sequence, (n_sequences, size); its bits depend on that sequence only."""
    lengths = torch.from_numpy(outputs.lengths).to(outputs.values.device)
    return torch.segment_reduce(outputs.values, "mean", lengths=lengths, axis=0, unsafe=True)
