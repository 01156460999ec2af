"""Recurrent encoders and decoders: sequences to latent vectors, and back to sequences of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import Cell, Constant, Readout, State, attend, concatenate, recur_feedback
from ..sequences.ragged import Ragged, back_to_back
from .architecture import Feedback
from .convolution import ConvolutionWriter
from .interface import Batch, Code, Encoder, LengthCode, TrainingData, ValueDecoder, as_ragged, length_statistics
from .layers import Draw, LinearMap, RecurrentLayer, directions_of, final_states, outputs_and_states, run, run_to_end
from .learnt import NGramValues
from .rows import in_reverse, shifted, with_values

Summary = Literal["final", "states", "top_state", "pooled"]


class RecurrentEncoder(Encoder):
    """Recurrent layers in one or both directions, and the summary of their states or outputs that becomes the vector.

    reader: maps steps of the data to the layers' input, None if they are the same. layers: see
    bidirectional_layers(). projection: of the summary, None if that is the vector. length_code: of a projected
    vector. log_variance: of the summary, for a variational model. ngrams: further values of the vector, which describe
    tokens and are not decoded. is_attended: whether the decoder attends over all outputs, of which the vector is then
    the mean.
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
        ngrams: NGramValues | None = None,
        is_attended: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.reader, self.layers, self.n_symbols = reader, layers, n_symbols
        self.projection, self.length_code, self.log_variance = projection, length_code, log_variance
        self.ngrams = ngrams
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

    def states_of_steps(self, sequences: Ragged) -> Ragged:
        """See Encoder.states_of_steps."""
        inputs = sequences if self.reader is None else self.reader(sequences)
        if not np.array_equal(inputs.lengths, sequences.lengths):
            return super().states_of_steps(sequences)
        return outputs_and_states(self.recurrent_layers, inputs, 0.0, None)[0]

    def forward(self, sequences: Batch) -> Tensor:
        """See Encoder.forward."""
        batch = as_ragged(sequences, self)
        latent = self.encode(batch).latent
        return latent if self.ngrams is None else torch.cat([latent, self.ngrams(batch).to(latent)], dim=1)

    @property
    def n_decoding(self) -> int | None:
        """See Encoder.n_decoding."""
        return None if self.ngrams is None or self.projection is None else self.projection.weight.shape[0]

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return directions_of(self.layers)

    def fit_closed_form(self, data: TrainingData) -> None:
        """Fit the length statistics, and the values that describe tokens; see Part.fit_closed_form."""
        if self.length_code is not None:
            self.length_code.statistics.copy_(length_statistics(data.encoded_lengths))
        if self.ngrams is not None:
            self.ngrams.fit(data.sequences)

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


class RecurrentDecoder(ValueDecoder):
    """Recurrent layers conditioned on the latent vector, and a readout of each step.

    conditioning: of the layers on the vector. layers: see layers(). head: the readout, None if the layers are as wide
    as the data. feedback: the previous steps that they read, or None. attention: over the encoder's steps, for each
    output. writer: maps the readout to steps of the data, None if they are the same. is_at_once: whether the last
    state is reshaped to all steps. is_reversed: whether the last step comes first.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        layers: nn.ModuleList,
        head: LinearMap | None,
        *,
        n_channels: int,
        feedback: Feedback | None = None,
        attention: Attention | None = None,
        writer: ConvolutionWriter | None = None,
        is_at_once: bool = False,
        is_reversed: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.conditioning, self.layers = conditioning, layers
        self.start = None if feedback is None else nn.Parameter(torch.zeros(n_channels, dtype=torch.float32))
        self.attention, self.head, self.writer = attention, head, writer
        self._feedback, self._is_at_once, self._is_reversed = feedback, is_at_once, is_reversed
        self._dropout = dropout

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.decode; an autoregressive decoder runs free."""
        if self.start is None:
            return self._in_order(self._unfed(latent, lengths, memory, None))
        return self._in_order(self._running_free(latent, lengths, self.start))

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See ValueDecoder.taught."""
        if self._feedback is None:
            return self._in_order(self._unfed(latent, target.lengths, memory, draw))
        if not self._feedback.is_taught:
            return self.decode(latent, target.lengths)

        def read(steps: Ragged) -> Ragged:
            return self._reading(latent, steps, draw)

        return self._in_order(taught(self._feedback, self._in_order(target), draw, read, lambda outputs: outputs))

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [[layer] for layer in self._stack]

    def fit_closed_form(self, data: TrainingData) -> None:
        """Nothing; see Part.fit_closed_form."""

    def _in_order(self, sequences: Ragged) -> Ragged:
        return in_reverse(sequences) if self._is_reversed else sequences

    def _unfed(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """Outputs of a decoder without previous steps."""
        core_lengths = lengths if self.writer is None else self.writer.core_lengths(lengths)
        inputs, states = self.conditioning.inputs(latent, core_lengths), self.conditioning.states(latent)
        if self._is_at_once:
            steps = run_to_end(self._stack, inputs).reshape(-1, self.n_channels)
            return back_to_back(steps if self.head is None else self.head(steps), lengths)
        readout = None if self.head is None or self.attention is not None else self.head.readout
        outputs = run(self._stack, inputs, states, readout=readout, dropout=self._dropout, draw=draw)
        if self.attention is not None:
            outputs = self._attended(outputs, _or_vectors(memory, latent))
        return outputs if self.writer is None else self.writer(outputs, lengths)

    def _attended(self, hidden: Ragged, memory: Ragged) -> Ragged:
        if self.attention is None or self.head is None:
            return hidden
        contexts = self.attention(hidden, memory)
        return with_values(hidden, self.head(torch.cat([hidden.values, contexts], dim=1)))

    def _reading(self, latent: Tensor, steps: Ragged, draw: Draw | None) -> Ragged:
        """Outputs of a decoder that reads the step before from `steps`."""
        start = self.start if self.start is not None else latent.new_zeros(self.n_channels)
        inputs = shifted(steps, start)
        hidden = 0.0 if self._feedback is None else self._feedback.dropped
        if draw is not None and hidden > 0:
            inputs = with_values(inputs, inputs.values * draw.kept((len(inputs.values), 1), hidden, inputs.values))
        readout = None if self.head is None else self.head.readout
        states = self.conditioning.states(latent)
        return run(self._stack, inputs, states, readout=readout, dropout=self._dropout, draw=draw)

    def _running_free(self, latent: Tensor, lengths: np.ndarray, first: Tensor) -> Ragged:
        """Outputs of a free-running decoder. first: (n_channels,), its first input."""
        states = self.conditioning.states(latent) or []
        starts = first.expand(len(lengths), self.n_channels)
        cell, weights = self._stack[0].cell, [layer.weights for layer in self._stack]
        return recur_feedback(cell, starts.contiguous(), lengths, weights, states, self._readout())

    def _readout(self) -> Readout:
        """The head; without one, the identity map."""
        if self.head is not None:
            return self.head.readout
        like = self._stack[-1].weight_hh
        return Readout(torch.eye(self.n_channels).to(like), like.new_zeros(self.n_channels))

    @property
    def _stack(self) -> list[RecurrentLayer]:
        return list(self.layers)  # pyright: ignore[reportReturnType]


def _or_vectors(memory: Ragged | None, latent: Tensor) -> Ragged:
    """The memory for attention; the vector itself if there is none."""
    if memory is not None:
        return memory
    lengths = np.ones(len(latent), np.int64)
    return back_to_back(latent, lengths)


class Conditioning(nn.Module):
    """Maps latent vectors to the initial states of the decoder's layers and, if it reads no steps, to its inputs.

    sizes: units of each decoder layer. fills: whether the vector determines the state of "all" layers or of the
    "first". has_map: whether by a linear map. n_steps: of every sequence, for latent_as="steps".
    """

    def __init__(
        self,
        cell: Cell,
        sizes: Sequence[int],
        latent_size: int,
        *,
        latent_as: Literal["input", "state", "steps"] = "input",
        fills: str = "all",
        has_map: bool = True,
        n_steps: int | None = None,
    ) -> None:
        super().__init__()
        self._cell, self._sizes, self._n_steps, self._latent_as = cell, tuple(sizes), n_steps, latent_as
        self.input_size = {"input": latent_size, "steps": latent_size // (n_steps or 1), "state": 0}[latent_as]
        self._n_filled = {"all": len(sizes), "first": 1}[fills] if latent_as == "state" else 0
        state_size = sum(self._sizes[: self._n_filled]) * cell.n_states
        self.state_map = LinearMap(latent_size, state_size) if self._n_filled and has_map else None
        if self._n_filled and not has_map and state_size != latent_size:
            raise InvalidParameter(
                f"without a projection the vector is the decoder's first state: that has {state_size} values, but "
                f"latent_size is {latent_size}; make them equal or use projection=Linear()",
                parameter="latent_size",
            )

    def states(self, latent: Tensor) -> list[State] | None:
        """The state of each layer before the first step; None is zeros. latent: (n_sequences, latent_size)."""
        if not self._n_filled:
            return None
        values = latent if self.state_map is None else self.state_map(latent)
        parts = iter(
            values.split([size for size in self._sizes[: self._n_filled] for _ in range(self._cell.n_states)], 1)
        )
        filled = [tuple(next(parts) for _ in range(self._cell.n_states)) for _ in range(self._n_filled)]
        rest = self._sizes[self._n_filled :]
        return filled + [
            tuple(latent.new_zeros(len(latent), size) for _ in range(self._cell.n_states)) for size in rest
        ]

    def inputs(self, latent: Tensor, lengths: np.ndarray) -> Ragged | Constant:
        """The first layer's input, for a decoder that reads no steps."""
        if self._latent_as == "steps":
            return self._steps(latent, lengths)
        return Constant(latent if self._latent_as == "input" else latent[:, :0], lengths)

    def _steps(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        is_other = lengths != self._n_steps
        if is_other.any():
            i = int(np.argmax(is_other))
            raise InvalidSequence(
                f"this architecture writes sequences of exactly {self._n_steps} steps, as fit() saw, "
                f"but one of {lengths[i]} is asked for; use architecture='repeat' for any length"
            )
        return back_to_back(latent.reshape(-1, self.input_size), lengths)


class Attention(nn.Module):
    """Luong et al. 2015 (1508.04025): global, dot scores.   c(t) = sum over s of softmax_s(m(s) . Q d(t)) m(s)."""

    def __init__(self, hidden_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = LinearMap(hidden_size, memory_size)

    def forward(self, hidden: Ragged, memory: Ragged) -> Tensor:
        """hidden: decoder outputs; memory: values (n_memory_steps, memory_size), both back to back.

        Returns the contexts, (n_steps, memory_size), each from its own sequence.
        """
        return attend(with_values(hidden, self.query(hidden.values)), memory)


def taught(
    feedback: Feedback,
    target: Ragged,
    draw: Draw | None,
    read: Callable[[Ragged], Ragged],
    step_of: Callable[[Ragged], Ragged],
) -> Ragged:
    """Outputs of a decoder that reads the step before: the true one, or with scheduled sampling sometimes its own.

    Its own steps come from a first pass (Duckworth et al. 2019), with a probability that rises to 1. target: back to
    back; read: the decoder's outputs for given previous steps; step_of: maps outputs to steps.
    """
    outputs = read(target)
    if draw is None or not feedback.is_scheduled:
        return outputs
    own = step_of(outputs).values
    shape = (len(own),) + (1,) * (own.ndim - 1)
    is_true = draw.kept(shape, draw.progress, outputs.values) > 0
    return read(with_values(target, torch.where(is_true, target.values, own)))
