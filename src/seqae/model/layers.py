"""Layers with parameters, and stacks of recurrent layers in one or both directions of time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..recurrence import Cell, Constant, Readout, State, Weights, concatenate, linear, recur, recur_outputs, recur_state
from ..sequences.ragged import Ragged
from .rows import with_values

M = TypeVar("M", bound=nn.Module)


def modules_of(module: nn.Module, kind: type[M]) -> Iterator[tuple[str, M]]:
    """Name and module of each part that is of a kind, in the order in which they were made; torch lists all alike."""
    return ((name, part) for name, part in module.named_modules() if isinstance(part, kind))


class Draw:
    """The random numbers of an update. n_updates: number of earlier updates; progress: their share of those planned,
    0..1.

    is_used: whether anything was read from it; if not, another update would compute the same.
    """

    def __init__(self, seed: int, n_updates: int, progress: float) -> None:
        self._seed, self._n_updates, self._progress = seed, n_updates, progress
        self.is_used = False

    @property
    def progress(self) -> float:
        """The part of the planned updates that came before, 0..1."""
        self.is_used = True
        return self._progress

    @cached_property
    def generator(self) -> torch.Generator:
        """Made on first use: most architectures draw nothing, and making it costs as much as a kernel call."""
        self.is_used = True
        entropy = np.random.SeedSequence([self._seed, self._n_updates])
        return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal values of the shape of `like`."""
        return torch.randn(like.shape, generator=self.generator).to(like)

    def kept(self, shape: tuple[int, ...], dropped: float, like: Tensor) -> Tensor:
        """1 where a value stays and 0 where it is dropped, of the dtype and device of `like`."""
        return (torch.rand(shape, generator=self.generator) >= dropped).to(like)

    def dropout(self, values: Tensor, dropped: float) -> Tensor:
        """Values zeroed with that probability, the others scaled up to keep the mean (Srivastava 2014)."""
        return values * (self.kept(tuple(values.shape), dropped, values) / (1 - dropped))

    def integers(self, high: int, count: int) -> Tensor:
        """Different whole numbers below high, (count,) int64."""
        return torch.randperm(high, generator=self.generator)[:count]


class Layer(nn.Module, ABC):
    """A module with parameters."""

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Initialise the parameters; their bits depend on the generator only."""


class RecurrentLayer(Layer):
    """One LSTM or GRU layer in one direction of time; parameters in torch's layout, named as in nn.LSTM.

    n_biases: number of learnt ones of bias_ih and bias_hh; the others are zero.
    """

    def __init__(
        self, cell: Cell, input_size: int, hidden_size: int, *, reverse: bool = False, n_biases: int = 2
    ) -> None:
        super().__init__()
        rows = cell.n_gates * hidden_size
        self.cell = cell
        self.reverse = reverse
        self.weight_ih = nn.Parameter(torch.zeros(rows, input_size, dtype=torch.float32))
        self.weight_hh = nn.Parameter(torch.zeros(rows, hidden_size, dtype=torch.float32))
        self.bias_ih = _bias(rows, is_learnt=n_biases > 0)
        self.bias_hh = _bias(rows, is_learnt=n_biases > 1)

    @property
    def weights(self) -> Weights:
        """The parameters in the form of the kernel boundary."""
        return Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Glorot (2010) input weights, orthogonal recurrent ones (Saxe 2014), forget bias 1 (Jozefowicz 2015)."""
        for block in self.weight_ih.chunk(self.cell.n_gates) if self.weight_ih.numel() else ():
            nn.init.xavier_uniform_(block, generator=generator)
        for block in self.weight_hh.chunk(self.cell.n_gates):
            fill_orthogonal(block, generator)
        self.bias_ih.zero_()
        self.bias_hh.zero_()
        if self.cell.kind == "lstm" and isinstance(self.bias_ih, nn.Parameter):
            self.bias_ih.chunk(4)[1].fill_(1.0)

    def forward(
        self, inputs: Ragged | Constant, state: State | None = None, *, readout: Readout | None = None
    ) -> tuple[Ragged, State]:
        """Outputs of each step and the final state; see seqae.recurrence.recur."""
        return recur(self.cell, inputs, self.weights, state, reverse=self.reverse, readout=readout)

    def outputs(
        self, inputs: Ragged | Constant, state: State | None = None, *, readout: Readout | None = None
    ) -> Ragged:
        """The outputs alone; see seqae.recurrence.recur_outputs."""
        return recur_outputs(self.cell, inputs, self.weights, state, reverse=self.reverse, readout=readout)

    def final_state(self, inputs: Ragged | Constant, state: State | None = None) -> State:
        """The final state alone; see seqae.recurrence.recur_state."""
        return recur_state(self.cell, inputs, self.weights, state, reverse=self.reverse)


class LinearMap(Layer):
    """y = weight x + bias."""

    def __init__(self, input_size: int, output_size: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(output_size, input_size, dtype=torch.float32))
        self.bias = _bias(output_size, is_learnt=has_bias)

    @property
    def readout(self) -> Readout:
        """The parameters in the form of the kernel boundary."""
        return Readout(self.weight, self.bias)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Uniform within 1/sqrt(input_size), bias zero (LeCun 1998)."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.zero_()

    def forward(self, x: Tensor, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """x: (n, input_size); along: see seqae.recurrence.linear. Returns (n, output_size)."""
        return linear(x, self.weight, self.bias, along=along)


class Embedding(Layer):
    """A vector for each token; token n_symbols stands for the start of a sequence and for a dropped step."""

    def __init__(self, n_symbols: int, size: int) -> None:
        super().__init__()
        self.n_symbols = n_symbols
        self.weight = nn.Parameter(torch.zeros(n_symbols + 1, size, dtype=torch.float32))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Normal with unit length on average."""
        self.weight.normal_(0, 1 / math.sqrt(self.weight.shape[1]), generator=generator)

    def forward(self, sequences: Ragged) -> Ragged:
        """sequences: tokens. Returns values (n_rows, size)."""
        return with_values(sequences, self.weight.index_select(0, sequences.values.long()))


def _bias(size: int, *, is_learnt: bool) -> torch.Tensor:
    zeros = torch.zeros(size, dtype=torch.float32)
    return nn.Parameter(zeros) if is_learnt else nn.Buffer(zeros)


def fill_orthogonal(matrix: Tensor, generator: torch.Generator) -> None:
    """Fill a square matrix with a random rotation or reflection, in place (Saxe, McClelland & Ganguli 2014, 1312.6120).

    Gram-Schmidt in float64 over standard normal rows, each projected twice, which is as accurate as Householder.
    LAPACK's rounding would depend on the thread count.
    """
    size = matrix.shape[0]
    rows = torch.empty(size, size, dtype=torch.float64).normal_(generator=generator).numpy()
    for i in range(size):
        for _ in range(2):
            shares = (rows[:i] * rows[i]).sum(axis=1)
            rows[i] -= (shares[:, None] * rows[:i]).sum(axis=0)
        rows[i] /= np.sqrt((rows[i] ** 2).sum())
    matrix.copy_(torch.from_numpy(rows))


# -- stacks ------------------------------------------------------------------------------------------------------------


def bidirectional_layers(cell: Cell, input_size: int, sizes: Sequence[int], *, is_bidirectional: bool) -> nn.ModuleList:
    """The one or two directions of each layer; layers above the first read both directions of the layer below."""
    directions = (False, True) if is_bidirectional else (False,)
    input_sizes = [input_size, *(size * len(directions) for size in sizes)]
    return nn.ModuleList(
        nn.ModuleList(RecurrentLayer(cell, input_size, size, reverse=reverse) for reverse in directions)
        for input_size, size in zip(input_sizes, sizes, strict=False)
    )


def layers(cell: Cell, input_size: int, sizes: Sequence[int]) -> nn.ModuleList:
    """Layers forward in time."""
    input_sizes = [input_size, *sizes]
    return nn.ModuleList(RecurrentLayer(cell, *pair) for pair in zip(input_sizes, sizes, strict=False))


def directions_of(stack: nn.ModuleList) -> list[list[RecurrentLayer]]:
    """The layers that bidirectional_layers() made, layer by layer."""
    return [list(layer.children()) for layer in stack]  # pyright: ignore[reportReturnType]


def outputs_and_states(
    stack: list[list[RecurrentLayer]], inputs: Ragged, dropout: float, draw: Draw | None
) -> tuple[Ragged, list[State]]:
    """The top layer's outputs of both directions, and the final states, layer by layer, forward first."""
    states = []
    for k, directions in enumerate(stack):
        inputs = inputs if k == 0 else dropped_out(inputs, dropout, draw)
        parts = [direction(inputs) for direction in directions]
        states += [state for _, state in parts]
        inputs = side_by_side([outputs for outputs, _ in parts])
    return inputs, states


def final_states(stack: list[list[RecurrentLayer]], inputs: Ragged, dropout: float, draw: Draw | None) -> list[State]:
    """The final states; the top layer does not store its outputs."""
    *lower, top = stack
    states = []
    if lower:
        inputs, states = outputs_and_states(lower, inputs, dropout, draw)
        inputs = dropped_out(inputs, dropout, draw)
    return [*states, *(direction.final_state(inputs) for direction in top)]


def run(
    stack: Sequence[RecurrentLayer],
    inputs: Ragged | Constant,
    states: Sequence[State] | None,
    *,
    readout: Readout | None = None,
    dropout: float = 0.0,
    draw: Draw | None = None,
) -> Ragged:
    """Outputs of the top layer, or of its readout. states: before the first step, one per layer."""
    starts = [None] * len(stack) if states is None else states
    *lower, top = stack
    for layer, state in zip(lower, starts, strict=False):
        inputs = dropped_out(layer.outputs(inputs, state), dropout, draw)
    return top.outputs(inputs, starts[-1], readout=readout)


def run_to_end(stack: Sequence[RecurrentLayer], inputs: Ragged | Constant) -> Tensor:
    """The top layer's last hidden state, (n_sequences, hidden_size), from zero states."""
    *lower, top = stack
    for layer in lower:
        inputs = layer.outputs(inputs)
    return top.final_state(inputs)[0]


def side_by_side(outputs: list[Ragged]) -> Ragged:
    """Outputs of both directions, concatenated step by step."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    return with_values(first, concatenate([part.values for part in outputs]))


def dropped_out(inputs: Ragged, dropout: float, draw: Draw | None) -> Ragged:
    """Inputs, in training with that fraction of their values zeroed."""
    if draw is None or dropout == 0:
        return inputs
    return with_values(inputs, draw.dropout(inputs.values, dropout))
