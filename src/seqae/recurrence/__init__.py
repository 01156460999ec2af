"""The kernel boundary: other rooms call these functions, whatever backend computes them.

backend.py defines each of them. A call goes to cuDNN for tensors on a CUDA device, to the native kernel for CPU
tensors where it is built, and to the reference otherwise. SEQAE_KERNEL=name forces one; active_kernel() tells which
runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from . import cudnn, native, reference
from .backend import Backend
from .cells import AdamState, Cell, Constant, First, Readout, State, Weights
from .folding import is_foldable, recur_folded
from .native.operations import active_kernel, kernel_first, kernel_for
from .native.replay import Replay, gradient_slots, replay_of, traced
from .reference.operations import VALUE_LOSSES

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..sequences.ragged import Ragged

__all__ = [
    "VALUE_LOSSES",
    "AdamState",
    "Backend",
    "Cell",
    "Constant",
    "First",
    "Readout",
    "Replay",
    "State",
    "Weights",
    "active_kernel",
    "adam_step",
    "attend",
    "concatenate",
    "gather",
    "gradient_slots",
    "kernel_first",
    "linear",
    "mean_loss",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
    "replay_of",
    "standardised_lengths",
    "traced",
    "weighted_sum",
]

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _cpu_backend(forced: str) -> Backend:
    return reference if kernel_for(forced) == "reference" else native


def _backend_of(tensor: Tensor) -> Backend:
    return cudnn if tensor.is_cuda else _cpu_backend(native.forced_kernel())


def _on_device(method: Callable[Concatenate[Backend, P], T], tensor_of: Callable[..., Tensor]) -> Callable[P, T]:
    """The function of this name in the backend for the device of tensor_of(positional arguments)."""
    name = method.__name__

    @wraps(method)
    def call(*arguments: P.args, **options: P.kwargs) -> T:
        return getattr(_backend_of(tensor_of(*arguments)), name)(*arguments, **options)

    return call


def _of_weights(cell: Cell, inputs: object, weights: Weights, *_: object) -> Tensor:
    return weights.hidden


recur = _on_device(Backend.recur, _of_weights)
recur_outputs = _on_device(Backend.recur_outputs, _of_weights)
recur_state = _on_device(Backend.recur_state, _of_weights)


def recur_feedback(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """See Backend.recur_feedback; a single LSTM layer runs folded."""
    backend = _backend_of(first)
    if is_foldable(cell, layers):
        return recur_folded(backend, cell, first, lengths, layers, states, readout)
    return backend.recur_feedback(cell, first, lengths, layers, states, readout)


recur_symbols = _on_device(Backend.recur_symbols, lambda cell, first, *_: first)
gather = _on_device(Backend.gather, lambda sequences, centre, *_: centre)
linear = _on_device(Backend.linear, lambda x, *_: x)
concatenate = _on_device(Backend.concatenate, lambda parts: parts[0])
weighted_sum = _on_device(Backend.weighted_sum, lambda terms: terms[0][1])
standardised_lengths = _on_device(Backend.standardised_lengths, lambda lengths, mean, unit, longest, like: like)
attend = _on_device(Backend.attend, lambda queries, *_: queries.values)
mean_loss = _on_device(Backend.mean_loss, lambda kind, prediction, *_: prediction.values)
adam_step = _on_device(Backend.adam_step, lambda parameters, *_: parameters)
