"""The kernel boundary: everything else calls these functions and knows nothing of how they are computed.

Each call goes to cuDNN for tensors on a CUDA device, to the native kernel for CPU tensors where it is built, and to
the reference otherwise. SEQAE_KERNEL=name forces one; active_kernel() tells which runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import KernelUnavailable
from ..sequences.ragged import Ragged
from . import cudnn, native, reference
from .cell import Cell, Constant, First, Readout, State, Weights
from .following import gradient_slots, recorded_calls
from .fused import VALUE_LOSSES, AdamState, observed_counts
from .recording import Program, program_of
from .threads import kernel_first

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "VALUE_LOSSES",
    "AdamState",
    "Cell",
    "Constant",
    "First",
    "Program",
    "Readout",
    "State",
    "Weights",
    "active_kernel",
    "adam_step",
    "attend",
    "gather",
    "gradient_slots",
    "join",
    "kernel_first",
    "linear",
    "mean_loss",
    "observed_counts",
    "program_of",
    "recorded_calls",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
    "usual_lengths",
    "weighted_sum",
]


def recur(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> tuple[Ragged, State]:
    """One recurrent layer over a ragged batch, differentiable in everything.

    inputs: per step, a Ragged of tensor values (n_rows, input_size); or Constant or First vectors, (n_sequences,
    input_size).
    state: before the first step, zeros where None. reverse: from each sequence's last step to its first.
    Returns the outputs back to back in the order of the inputs, also in reverse: hidden states (n_steps, hidden_size),
    or with a readout its values (n_steps, n_channels); and the state after each sequence's own last step.
    """
    return _implementation(weights.hidden).recur(cell, inputs, weights, state, reverse=reverse, readout=readout)


def recur_outputs(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> Ragged:
    """The outputs alone: as recur(), without the final state."""
    return _implementation(weights.hidden).recur_outputs(cell, inputs, weights, state, reverse=reverse, readout=readout)


def recur_state(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
) -> State:
    """The final state alone: as recur(), without the cost of writing what each step puts out."""
    return _implementation(weights.hidden).recur_state(cell, inputs, weights, state, reverse=reverse)


def recur_feedback(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """A stack of layers that runs on its own output: x(0) = first, x(t+1) = y(t) = readout of the top layer's h(t).

    first: (n_sequences, n_channels); states: one per layer. Differentiable in everything.
    Returns y back to back, values (n_steps, n_channels).
    """
    return _implementation(first).recur_feedback(cell, first, lengths, layers, states, readout)


def recur_symbols(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
    embedding: Tensor,
) -> Ragged:
    """A stack of layers that runs on the symbols it chooses: s(t) = argmax of the readout, x(t+1) = embedding[s(t)].

    first: (n_sequences,) int64, the symbols before the first step; embedding: (n_rows, input_size). Not differentiable.
    Returns the symbols back to back, (n_steps,) int32.
    """
    return _implementation(embedding).recur_symbols(cell, first, lengths, layers, states, readout, embedding)


def gather(sequences: Ragged, centre: Tensor, scale: Tensor) -> Ragged:
    """The sequences back to back, scaled: (values - centre) / scale; what was not observed is 0.

    sequences: tensor values (n_rows, n_channels); centre, scale: (n_channels,). Not differentiable.
    """
    return _implementation(centre).gather(sequences, centre, scale)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """y = weight x + bias, plus each row's amount times a direction.

    Each row is computed on its own: its bits do not depend on the others. Differentiable in all but the amounts.
    x: (n, input_size); weight: (output_size, input_size); bias: (output_size,); along: amounts (n, 1) and direction
    (output_size,). Returns (n, output_size).
    """
    return _implementation(x).linear(x, weight, bias, along=along)


def join(parts: Sequence[Tensor]) -> Tensor:
    """Matrices of as many rows, side by side. Differentiable."""
    return _implementation(parts[0]).join(parts)


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """The sum of weight times scalar, a scalar. Differentiable in the scalars."""
    return _implementation(terms[0][1]).weighted_sum(terms)


def usual_lengths(lengths: np.ndarray, mean: float, unit: float, highest: float, like: Tensor) -> Tensor:
    """(min(length, highest) - mean) / unit, (n_sequences, 1), of the dtype and on the device of `like`."""
    return _implementation(like).usual_lengths(lengths, mean, unit, highest, like)


def attend(queries: Ragged, memory: Ragged) -> Tensor:
    """c(t) = sum over s of softmax_s(m(s) . q(t) / sqrt(size)) m(s), within each sequence. Differentiable in both.

    queries: values (n_steps, size); memory: values (n_memory_steps, size), both back to back, as many sequences, each
    with a step to attend over. Returns the contexts, (n_steps, size).
    """
    return _implementation(queries.values).attend(queries, memory)


def mean_loss(kind: str, prediction: Ragged, target: Ragged, *, per_sequence: bool) -> Tensor:
    """The mean loss of all observed values, or the mean over sequences of each one's mean. Returns a scalar.

    kind: a name in VALUE_LOSSES. prediction, target: back to back, values (n_steps, n_channels).
    A sequence without an observed value counts as 0. Differentiable in the prediction.
    """
    return _implementation(prediction.values).mean_loss(kind, prediction, target, per_sequence=per_sequence)


def adam_step(
    parameters: Tensor,
    gradient: Tensor,
    state: AdamState,
    *,
    learning_rate: float,
    max_norm: float | None = None,
) -> float:
    """One Adam update in place (Kingma & Ba 2015, algorithm 1).

    parameters, gradient: flat (n_parameters,); the gradient is scaled down to max_norm first. Returns its norm before
    that; where it is not finite, nothing is updated.
    """
    return _implementation(parameters).adam_step(
        parameters, gradient, state, learning_rate=learning_rate, max_norm=max_norm
    )


def active_kernel() -> str:
    """What runs on CPU tensors: "avx512", "avx2", "neon" or "scalar" (native), or "reference" (plain PyTorch).

    Raises KernelUnavailable if SEQAE_KERNEL names one that cannot run here.
    """
    return _kernel_for(native.forced_kernel())


@cache
def _kernel_for(forced: str) -> str:
    names = [*native.kernels(), "reference"]
    if not forced:
        return names[0]
    if forced not in names:
        raise KernelUnavailable(f"SEQAE_KERNEL is {forced!r}, but this installation can run only: {', '.join(names)}")
    return forced


@cache
def _cpu_implementation(forced: str) -> ModuleType:
    return reference if _kernel_for(forced) == "reference" else native


def _implementation(tensor: Tensor) -> ModuleType:
    return cudnn if tensor.is_cuda else _cpu_implementation(native.forced_kernel())
