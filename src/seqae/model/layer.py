"""Parameters of one recurrent layer and of one linear map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..recurrence import Cell, Constant, Readout, State, Weights, linear, recur, recur_outputs, recur_state
from ..sequences.ragged import Ragged
from .initial import fill_orthogonal


class RecurrentLayer(nn.Module):
    """One LSTM or GRU layer in one direction of time; parameters in torch's layout, named as in nn.LSTM.

    n_biases: how many of bias_ih and bias_hh are learnt; the others stay zero.
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
        """The parameters as the kernel takes them."""
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


class LinearMap(nn.Module):
    """y = weight x + bias."""

    def __init__(self, input_size: int, output_size: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(output_size, input_size, dtype=torch.float32))
        self.bias = _bias(output_size, is_learnt=has_bias)

    @property
    def readout(self) -> Readout:
        """The parameters as the kernel takes them."""
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


def _bias(size: int, *, is_learnt: bool) -> torch.Tensor:
    zeros = torch.zeros(size, dtype=torch.float32)
    return nn.Parameter(zeros) if is_learnt else nn.Buffer(zeros)
