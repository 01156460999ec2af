"""The kernel boundary as a protocol: the functions of a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .cells import AdamState, Cell, Constant, First, Readout, State, Weights

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..sequences.ragged import Ragged


class Backend(Protocol):
    """The functions that compute. Each backend is a module; a type checker compares it with this protocol.

    A function is differentiable only where its docstring says so. The last positional-only argument is, or holds, the
    tensor whose device computes.
    """

    def recur(
        self,
        cell: Cell,
        inputs: Ragged | Constant | First,
        weights: Weights,
        /,
        state: State | None = None,
        *,
        reverse: bool = False,
        readout: Readout | None = None,
    ) -> tuple[Ragged, State]:
        """One recurrent layer over a ragged batch, differentiable in everything.

        inputs: per step, a Ragged of tensor values (n_rows, input_size); or Constant or First vectors, (n_sequences,
        input_size).
        state: before the first step; None is zeros. reverse: from each sequence's last step to its first.
        Returns the outputs back to back in the order of the inputs, also in reverse: hidden states (n_steps,
        hidden_size), or with a readout its values (n_steps, n_channels); and the state after each sequence's own last
        step.
        """
        ...

    def recur_outputs(
        self,
        cell: Cell,
        inputs: Ragged | Constant | First,
        weights: Weights,
        /,
        state: State | None = None,
        *,
        reverse: bool = False,
        readout: Readout | None = None,
    ) -> Ragged:
        """The outputs of recur(), without the final state."""
        ...

    def recur_state(
        self,
        cell: Cell,
        inputs: Ragged | Constant | First,
        weights: Weights,
        /,
        state: State | None = None,
        *,
        reverse: bool = False,
    ) -> State:
        """The final state of recur(), without the cost of storing outputs."""
        ...

    def recur_feedback(
        self,
        cell: Cell,
        first: Tensor,
        /,
        lengths: np.ndarray,
        layers: Sequence[Weights],
        states: Sequence[State],
        readout: Readout,
    ) -> Ragged:
        """A stack of layers that runs on its own output: x(0) = first, x(t+1) = y(t) = readout of the top layer's h(t).

        first: (n_sequences, n_channels); states: one per layer. Differentiable in everything.
        Returns y back to back, values (n_steps, n_channels).
        """
        ...

    def recur_symbols(
        self,
        cell: Cell,
        first: Tensor,
        /,
        lengths: np.ndarray,
        layers: Sequence[Weights],
        states: Sequence[State],
        readout: Readout,
        embedding: Tensor,
    ) -> Ragged:
        """A stack of layers that runs on the symbols it chooses: s(t) = argmax of readout, x(t+1) = embedding[s(t)].

        first: (n_sequences,) int64, the symbols before the first step; embedding: (n_rows, input_size).
        Returns the symbols back to back, (n_steps,) int32.
        """
        ...

    def gather(self, sequences: Ragged, centre: Tensor, /, scale: Tensor) -> Ragged:
        """The sequences back to back, scaled: (values - centre) / scale; values that are not observed become 0.

        sequences: tensor values (n_rows, n_channels); centre, scale: (n_channels,).
        """
        ...

    def linear(
        self, x: Tensor, /, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """y = weight x + bias + amount * direction, with one amount per row.

        The bits of a row do not depend on other rows. Differentiable in all but the amounts.
        x: (n, input_size); weight: (output_size, input_size); bias: (output_size,); along: amounts (n, 1) and direction
        (output_size,). Returns (n, output_size).
        """
        ...

    def concatenate(self, parts: Sequence[Tensor], /) -> Tensor:
        """Concatenate matrices with equal numbers of rows along columns. Differentiable."""
        ...

    def weighted_sum(self, terms: Sequence[tuple[float, Tensor]], /) -> Tensor:
        """The weighted sum of scalars. Differentiable in the scalars."""
        ...

    def standardised_lengths(
        self, lengths: np.ndarray, mean: float, unit: float, longest: float, like: Tensor, /
    ) -> Tensor:
        """(min(length, longest) - mean) / unit, (n_sequences, 1), of the dtype and on the device of `like`."""
        ...

    def attend(self, queries: Ragged, /, memory: Ragged) -> Tensor:
        """c(t) = sum over s of softmax_s(m(s) . q(t) / sqrt(size)) m(s), within each sequence. Differentiable in both.

        queries: values (n_steps, size); memory: values (n_memory_steps, size), both back to back, with equal numbers
        of sequences; each memory has at least one step. Returns the contexts, (n_steps, size).
        """
        ...

    def mean_loss(self, kind: str, prediction: Ragged, /, target: Ragged, *, per_sequence: bool) -> Tensor:
        """The mean loss of all observed values, or the mean over sequences of their mean losses. Returns a scalar.

        kind: a name in VALUE_LOSSES. prediction, target: back to back, values (n_steps, n_channels).
        A sequence without an observed value counts as 0. Differentiable in the prediction.
        """
        ...

    def adam_step(
        self,
        parameters: Tensor,
        /,
        gradient: Tensor,
        state: AdamState,
        *,
        learning_rate: float,
        max_norm: float | None = None,
    ) -> float:
        """One Adam update in place (Kingma & Ba 2015, algorithm 1).

        parameters, gradient: flat (n_parameters,); the gradient is first clipped to norm max_norm. Returns its norm
        before clipping; if that is not finite, nothing is updated.
        """
        ...
