"""The backend that calls the compiled extension. Each function calls one operation through an autograd function."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...sequences.ragged import Ragged, back_to_back, starts_of
from ..cells import BETAS, EPSILON, AdamState, Cell, Constant, First, Readout, State, Weights
from .operations import (
    Attention,
    Concatenation,
    Linear,
    MeanLoss,
    Recurrence,
    StandardisedLengths,
    Tensors,
    WeightedSum,
    contiguous,
    extension,
    forced_kernel,
    kernels,
    n_kernel_threads,
)
from .replay import call

__all__ = [
    "adam_step",
    "attend",
    "concatenate",
    "forced_kernel",
    "gather",
    "kernels",
    "linear",
    "mean_loss",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
    "standardised_lengths",
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
    """See Backend.recur."""
    outputs, *final = _recur(cell, inputs, weights, state, reverse, readout, is_wanted=(True, True))
    return back_to_back(outputs, inputs.lengths), tuple(final)


def recur_outputs(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> Ragged:
    """See Backend.recur_outputs."""
    (outputs,) = _recur(cell, inputs, weights, state, reverse, readout, is_wanted=(True, False))
    return back_to_back(outputs, inputs.lengths)


def recur_state(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
) -> State:
    """See Backend.recur_state."""
    return _recur(cell, inputs, weights, state, reverse, None, is_wanted=(False, True))


def recur_feedback(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """See Backend.recur_feedback."""
    settings = *_kinds(cell), extension().Source.feedback, False, True, False
    (outputs,) = call(Recurrence(settings, None, lengths), _stack_tensors(cell, first, layers, states, readout))
    return back_to_back(outputs, lengths)


@torch.no_grad()
def recur_symbols(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
    embedding: Tensor,
) -> Ragged:
    """See Backend.recur_symbols."""
    tensors = _stack_tensors(cell, embedding.index_select(0, first), layers, states, readout)
    recurrence = extension().Recurrence(*_kinds(cell), extension().Source.constant, False, None, lengths)
    chosen = torch.empty(recurrence.n_steps, dtype=torch.int32)
    recurrence.choose(tensors, contiguous(embedding), chosen, n_kernel_threads())
    return back_to_back(chosen, lengths)


def gather(sequences: Ragged, centre: Tensor, scale: Tensor) -> Ragged:
    """See Backend.gather."""
    starts, lengths, values = sequences.starts, sequences.lengths, contiguous(sequences.values)
    new_starts = starts_of(lengths)
    n_steps = int(new_starts[-1] + lengths[-1]) if len(lengths) else 0
    out = values.new_empty((n_steps, values.shape[1]))
    observed = None if sequences.observed is None else contiguous(sequences.observed)
    observed_out = None if observed is None else observed.new_empty(out.shape)
    centre, scale = contiguous(centre), contiguous(scale)
    extension().gather(values, observed, starts, lengths, centre, scale, out, observed_out, n_kernel_threads())
    return Ragged.view(out, new_starts, lengths, observed_out)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """See Backend.linear."""
    is_ready = weight.is_contiguous() or weight.t().is_contiguous()
    amounts, direction = (None, None) if along is None else (contiguous(part) for part in along)
    tensors = contiguous(x), weight if is_ready else weight.contiguous(), contiguous(bias), amounts, direction
    return call(Linear(()), tensors)[0]


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """See Backend.concatenate."""
    return call(Concatenation(()), tuple(parts))[0]


def weighted_sum(terms: Sequence[tuple[float, Tensor]]) -> Tensor:
    """See Backend.weighted_sum."""
    weights, scalars = zip(*terms, strict=True)
    return call(WeightedSum(weights), scalars)[0]


def standardised_lengths(lengths: np.ndarray, mean: float, unit: float, longest: float, like: Tensor) -> Tensor:
    """See Backend.standardised_lengths."""
    return call(StandardisedLengths((mean, unit, longest), lengths), (like,))[0]


def attend(queries: Ragged, memory: Ragged) -> Tensor:
    """See Backend.attend."""
    tensors = contiguous(queries.values), contiguous(memory.values)
    return call(Attention((), queries.lengths, memory.lengths), tensors)[0]


def mean_loss(kind: str, prediction: Ragged, target: Ragged, *, per_sequence: bool) -> Tensor:
    """See Backend.mean_loss."""
    observed = None if target.observed is None else contiguous(target.observed)
    tensors = contiguous(prediction.values), contiguous(target.values), observed
    lengths = target.lengths if per_sequence else None
    return call(MeanLoss((getattr(extension().LossKind, kind), per_sequence), lengths), tensors)[0]


def adam_step(
    parameters: Tensor,
    gradient: Tensor,
    state: AdamState,
    *,
    learning_rate: float,
    max_norm: float | None = None,
) -> float:
    """See Backend.adam_step."""
    n_updates = state.n_updates + 1
    corrections = [1 - beta**n_updates for beta in BETAS]
    moments = state.first, state.second
    norm = extension().adam_step(
        parameters.detach(), contiguous(gradient), *moments, learning_rate, max_norm or 0.0, *BETAS,
        EPSILON, *corrections, n_kernel_threads(),
    )  # fmt: skip
    if np.isfinite(norm):
        state.n_updates = n_updates
    return norm


def _readout_tensors(readout: Readout | None) -> Tensors:
    return (None, None) if readout is None else (contiguous(readout.weight), contiguous(readout.bias))


def _layer_tensors(cell: Cell, weights: Weights, state: State | None) -> Tensors:
    matrices = weights.input, weights.hidden, weights.input_bias, weights.hidden_bias
    own = tuple(contiguous(tensor) for tensor in matrices)
    return own + ((None,) * cell.n_states if state is None else tuple(contiguous(part) for part in state))


def _stack_tensors(
    cell: Cell, first: Tensor, layers: Sequence[Weights], states: Sequence[State], readout: Readout
) -> Tensors:
    of_layers = [_layer_tensors(cell, *layer) for layer in zip(layers, states, strict=True)]
    return (contiguous(first), *_readout_tensors(readout), *chain.from_iterable(of_layers))


def _kinds(cell: Cell) -> tuple[Any, Any]:
    """The extension's enum values for the cell and its activation."""
    return getattr(extension().CellKind, cell.kind), getattr(extension().Activation, cell.activation)


def _recur(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None,
    reverse: bool,
    readout: Readout | None,
    *,
    is_wanted: tuple[bool, bool],
) -> tuple[Tensor, ...]:
    """The wanted ones of a layer's outputs and final states."""
    source = getattr(extension().Source, inputs.kind)
    tensors = (contiguous(inputs.values), *_readout_tensors(readout), *_layer_tensors(cell, weights, state))
    return call(Recurrence((*_kinds(cell), source, reverse, *is_wanted), inputs.starts, inputs.lengths), tensors)
