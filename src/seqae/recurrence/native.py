"""The C++ kernel as seen from Python: one autograd function around it, the only user of seqae._native."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from functools import cache, wraps
from itertools import chain
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..errors import InvalidParameter
from ..ragged import Ragged, back_to_back, starts_of
from .cell import Cell, Constant, First, Readout, State, Weights
from .fused import AdamState
from .slots import ANCHOR, slots_of
from .threads import n_kernel_threads

__all__ = [
    "adam_step",
    "attend",
    "gather",
    "kernels",
    "linear",
    "mean_loss",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
]

Tensors = tuple[Tensor | None, ...]
Slots = Sequence[Tensor | None]
Shape = tuple[int, int]

_STEPS, _CONSTANT, _FEEDBACK, _FIRST = range(4)  # where the inputs come from, as in native/problem.h
_LOSSES = {"mse": 0, "mae": 1, "huber": 2, "bce": 3}


@cache
def kernels() -> tuple[str, ...]:
    """Instruction sets that are built in and run on this machine, best first; none without the compiled kernel."""
    return () if importlib.util.find_spec("seqae._native") is None else _native().kernels()


def forced_kernel() -> str:
    """What SEQAE_KERNEL says, asked at every call; empty where it is not set."""
    return _native().forced_kernel() if kernels() else os.environ.get("SEQAE_KERNEL", "")


def recur(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> tuple[Ragged, State]:
    """See seqae.recurrence.recur."""
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
    """See seqae.recurrence.recur_outputs."""
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
    """See seqae.recurrence.recur_state."""
    return _recur(cell, inputs, weights, state, reverse, None, is_wanted=(False, True))


def recur_feedback(
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """See seqae.recurrence.recur_feedback."""
    call = _call(cell, _FEEDBACK, False, None, lengths)
    tensors = _stack_tensors(cell, first, layers, states, readout)
    (outputs,) = _run(call, tensors, (call.n_steps, len(readout.weight)), ())
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
    """See seqae.recurrence.recur_symbols."""
    tensors = _stack_tensors(cell, embedding.index_select(0, first), layers, states, readout)
    call = _call(cell, _CONSTANT, False, None, lengths)
    chosen = torch.empty(call.n_steps, dtype=torch.int32)
    call.choose(tensors, _contiguous(embedding), chosen, n_kernel_threads())
    return back_to_back(chosen, lengths)


def gather(sequences: Ragged, centre: Tensor, scale: Tensor) -> Ragged:
    """See seqae.recurrence.gather."""
    starts, lengths, values = sequences.starts, sequences.lengths, _contiguous(sequences.values)
    out = values.new_empty((sequences.n_steps, values.shape[1]))
    observed = None if sequences.observed is None else _contiguous(sequences.observed)
    observed_out = None if observed is None else observed.new_empty(out.shape)
    centre, scale = _contiguous(centre), _contiguous(scale)
    _native().gather(values, observed, starts, lengths, centre, scale, out, observed_out)
    return Ragged.view(out, starts_of(lengths), lengths, observed_out)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, along: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """See seqae.recurrence.linear."""
    is_ready = weight.is_contiguous() or weight.t().is_contiguous()
    amounts, direction = (None, None) if along is None else (_contiguous(part) for part in along)
    tensors = _contiguous(x), weight if is_ready else weight.contiguous(), _contiguous(bias), amounts, direction
    return _followed(_Linear, (), tensors) if _needs_gradient(tensors) else _linear(*tensors)


def attend(queries: Ragged, memory: Ragged) -> Tensor:
    """See seqae.recurrence.attend."""
    return _Attention.apply(_contiguous(queries.values), queries.lengths, _contiguous(memory.values), memory.lengths)


def mean_loss(kind: str, prediction: Ragged, target: Ragged, *, per_sequence: bool) -> Tensor:
    """See seqae.recurrence.mean_loss."""
    return _MeanLoss.apply(
        prediction.values, target.values, target.observed, target.lengths, _LOSSES[kind], per_sequence
    )


def adam_step(
    parameters: Tensor,
    gradient: Tensor,
    state: AdamState,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    max_norm: float | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> float:
    """See seqae.recurrence.adam_step."""
    n_updates = state.n_updates + 1
    corrections = [1 - beta**n_updates for beta in betas]
    moments = state.first, state.second
    norm = _native().adam_step(
        parameters.detach(), _contiguous(gradient), *moments, learning_rate, weight_decay, max_norm or 0.0, *betas,
        epsilon, *corrections,
    )  # fmt: skip
    if np.isfinite(norm):
        state.n_updates = n_updates
    return norm


def _differentiable_once(backward: Any) -> Any:
    """torch's once_differentiable, which costs nothing where gradients are not to be differentiated again."""
    guarded = once_differentiable(backward)

    @wraps(backward)
    def run(ctx: Any, *gradients: Tensor | None) -> Any:
        return (guarded if torch.is_grad_enabled() else backward)(ctx, *gradients)

    return run


class _Recurrence(torch.autograd.Function):
    """call: the native object; outputs, final: shapes of what is wanted of them.

    tensors: as native/recurrence_call.h has them; slots: where the gradients of some of them go; seen: the others.
    """

    @staticmethod
    def forward(
        ctx: Any,
        call: Any,
        outputs: Shape | None,
        final: Sequence[Shape],
        tensors: Tensors,
        slots: Slots,
        *seen: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.call, ctx.has_outputs, ctx.tensors, ctx.slots = call, outputs is not None, tensors, slots
        ctx.save_for_backward(*seen)
        ctx.set_materialize_grads(False)
        return _forward(call, outputs, final, tensors, keep=True)

    @staticmethod
    @_differentiable_once
    def backward(ctx: Any, *result_gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        given = tuple(None if g is None else _contiguous(g) for g in result_gradients)
        outputs, final = (given[0], given[1:]) if ctx.has_outputs else (None, given)
        gradients, of_seen = _rooms(ctx)
        ctx.call.backward(ctx.tensors, outputs, final, gradients, n_kernel_threads())
        return None, None, None, None, None, *of_seen


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensors: Tensors, slots: Slots, *seen: Tensor) -> Tensor:
        ctx.tensors, ctx.slots = tensors, slots
        ctx.save_for_backward(*seen)
        return _linear(*tensors)  # pyright: ignore[reportArgumentType]

    @staticmethod
    @_differentiable_once
    def backward(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
        (of_x, of_weight, of_bias, _, of_direction), of_seen = _rooms(ctx)
        x, weight, _, amounts, _ = ctx.tensors
        if of_x is not None:
            of_x.addmm_(of_out, weight)
        if of_weight is not None:
            of_weight.addmm_(of_out.t(), x)
        if of_bias is not None:
            of_bias.add_(of_out.sum(0))
        if of_direction is not None:
            of_direction.addmv_(of_out.t(), amounts)
        return None, None, *of_seen


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, n_queries: np.ndarray, memory: Tensor, n_memories: np.ndarray) -> Tensor:
        ctx.save_for_backward(queries, memory)
        ctx.lengths = n_queries, n_memories
        contexts, n_threads = torch.empty_like(queries), n_kernel_threads()
        _native().attend(queries, n_queries, memory, n_memories, contexts, (), n_threads)
        return contexts

    @staticmethod
    @_differentiable_once
    def backward(ctx: Any, of_contexts: Tensor) -> tuple[Tensor | None, ...]:
        queries, memory = ctx.saved_tensors
        n_queries, n_memories = ctx.lengths
        gradients = torch.empty_like(queries), torch.empty_like(memory)
        given, n_threads = _contiguous(of_contexts), n_kernel_threads()
        _native().attend(queries, n_queries, memory, n_memories, given, gradients, n_threads)
        return gradients[0], None, gradients[1], None


def _linear(x: Tensor, weight: Tensor, bias: Tensor, amounts: Tensor | None, direction: Tensor | None) -> Tensor:
    out = x.new_empty((len(x), len(weight)))
    is_transposed = not weight.is_contiguous()  # such a weight is read as it lies: nothing is packed
    of_weight = (weight.t() if is_transposed else weight), is_transposed
    _native().linear(x, *of_weight, bias, amounts, direction, out)
    return out


class _MeanLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        prediction: Tensor,
        target: Tensor,
        observed: Tensor | None,
        lengths: np.ndarray,
        kind: int,
        per_sequence: bool,
    ) -> Tensor:
        prediction, target = _contiguous(prediction), _contiguous(target)
        observed = None if observed is None else _contiguous(observed)
        gradient = torch.empty_like(prediction)
        mean = prediction.new_empty(())
        _native().mean_loss(kind, per_sequence, prediction, target, observed, lengths, mean, gradient)
        ctx.save_for_backward(gradient)
        return mean

    @staticmethod
    @_differentiable_once
    def backward(ctx: Any, of_loss: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient if of_loss.item() == 1 else gradient * of_loss), None, None, None, None, None


@cache
def _native() -> ModuleType:
    return importlib.import_module("seqae._native")


def _source(inputs: Ragged | Constant | First) -> tuple[int, np.ndarray | None, Tensor]:
    if isinstance(inputs, Constant | First):
        return _CONSTANT if isinstance(inputs, Constant) else _FIRST, None, inputs.vectors
    return _STEPS, inputs.starts, inputs.values


def _readout_tensors(readout: Readout | None) -> Tensors:
    return (None, None) if readout is None else (_contiguous(readout.weight), _contiguous(readout.bias))


def _layer_tensors(cell: Cell, weights: Weights, state: State | None) -> Tensors:
    matrices = weights.input, weights.hidden, weights.input_bias, weights.hidden_bias
    own = tuple(_contiguous(tensor) for tensor in matrices)
    return own + ((None,) * cell.n_states if state is None else tuple(_contiguous(part) for part in state))


def _stack_tensors(
    cell: Cell, first: Tensor, layers: Sequence[Weights], states: Sequence[State], readout: Readout
) -> Tensors:
    of_layers = [_layer_tensors(cell, *layer) for layer in zip(layers, states, strict=True)]
    return (_contiguous(first), *_readout_tensors(readout), *chain.from_iterable(of_layers))


def _call(cell: Cell, source: int, reverse: bool, starts: np.ndarray | None, lengths: np.ndarray) -> Any:
    return _native().Recurrence(cell.kind == "gru", cell.activation == "relu", source, reverse, starts, lengths)


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
    """One layer's outputs and final states, as far as they are wanted."""
    source, starts, values = _source(inputs)
    call = _call(cell, source, reverse, starts, inputs.lengths)
    tensors = (_contiguous(values), *_readout_tensors(readout), *_layer_tensors(cell, weights, state))
    n_units = weights.hidden.shape[1]
    n_channels = n_units if readout is None else len(readout.weight)
    final = ((len(inputs.lengths), n_units),) * cell.n_states
    return _run(call, tensors, (call.n_steps, n_channels) if is_wanted[0] else None, final if is_wanted[1] else ())


def _run(call: Any, tensors: Tensors, outputs: Shape | None, final: Sequence[Shape]) -> tuple[Tensor, ...]:
    if _needs_gradient(tensors):
        return _followed(_Recurrence, (call, outputs, final), tensors)
    return _forward(call, outputs, final, tensors, keep=False)


def _needs_gradient(tensors: Tensors) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _followed(function: Any, arguments: tuple, tensors: Tensors) -> Any:
    """The autograd function of the tensors, of which autograd sees those whose gradients have no slot."""
    slots = slots_of(tensors)
    seen = [tensor for tensor, slot in zip(tensors, slots, strict=True) if tensor is not None and slot is None]
    return function.apply(*arguments, tensors, slots, *seen, ANCHOR)


def _rooms(ctx: Any) -> tuple[tuple[Tensor | None, ...], list[Tensor | None]]:
    """Tensors to add the gradients of ctx.tensors to, None where not needed; and what autograd gets of them."""
    seen = ctx.saved_tensors  # refuses those that were changed in place since
    of_seen = [torch.zeros_like(tensor) if tensor.requires_grad else None for tensor in seen[:-1]]
    rest = iter(of_seen)
    rooms = tuple(
        slot if slot is not None else None if tensor is None else next(rest)
        for tensor, slot in zip(ctx.tensors, ctx.slots, strict=True)
    )
    return rooms, [*of_seen, None]


def _forward(
    call: Any, outputs: Shape | None, final: Sequence[Shape], tensors: Tensors, *, keep: bool
) -> tuple[Tensor, ...]:
    like = tensors[4]
    if like is None:
        raise InvalidParameter("a recurrence needs hidden weights")
    written = None if outputs is None else like.new_empty(outputs)
    states = tuple(like.new_empty(shape) for shape in final)
    call.forward(tensors, written, states, keep, n_kernel_threads())
    return states if written is None else (written, *states)


def _contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_contiguous() else tensor.contiguous()
