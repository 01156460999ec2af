"""One autograd function for all operations, and training steps as lists of their calls: traced on one batch, replayed
on others without modules or autograd.

At 16 units, modules, autograd and its graph take half as long as the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...sequences.ragged import Ragged, starts_of
from .operations import Operation, Tensors

_ANCHOR = torch.zeros(0, requires_grad=True)  # without it autograd makes no node if every parameter has a slot


@dataclass(frozen=True, slots=True)
class Call:
    """A traced call: the operation, its tensors and its outputs."""

    operation: Operation
    tensors: Tensors
    outputs: tuple[Tensor, ...]


_slots: ContextVar[Mapping[int, Tensor]] = ContextVar("slots", default=MappingProxyType({}))
"""Gradients by the id() of their parameter, which lives longer than its slot."""

_trace: ContextVar[list[Call] | None] = ContextVar("trace", default=None)


@contextmanager
def gradient_slots(slots: Iterable[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """In this context, the native kernel adds the gradient of each parameter to the tensor paired with it.

    slots: pairs of parameter and gradient, of one shape. Autograd does not see these gradients; other operations add
    theirs to .grad as usual.
    """
    token = _slots.set({**_slots.get(), **{id(parameter): gradient for parameter, gradient in slots}})
    try:
        yield
    finally:
        _slots.reset(token)


def slots_of(tensors: Tensors) -> list[Tensor | None]:
    """The gradient slot of each tensor; None where autograd carries the gradient."""
    slots = _slots.get()
    return [slots.get(id(tensor)) for tensor in tensors]


@contextmanager
def traced() -> Iterator[list[Call]]:
    """The list of native calls made in this context and thread."""
    calls: list[Call] = []
    token = _trace.set(calls)
    try:
        yield calls
    finally:
        _trace.reset(token)


def call(operation: Operation, tensors: Tensors) -> tuple[Tensor, ...]:
    """The operation's outputs, differentiable if a tensor requires gradients."""
    outputs = _differentiably(operation, tensors) if _needs_gradient(operation, tensors) else operation.forward(tensors)
    trace = _trace.get()
    if trace is not None:
        trace.append(Call(operation, tensors, outputs))
    return outputs


def _needs_gradient(operation: Operation, tensors: Tensors) -> bool:
    if not (operation.has_gradient and torch.is_grad_enabled()):
        return False
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _differentiably(operation: Operation, tensors: Tensors) -> tuple[Tensor, ...]:
    slots = slots_of(tensors)
    carried = [tensor for tensor, slot in zip(tensors, slots, strict=True) if tensor is not None and slot is None]
    return _Function.apply(operation, tensors, slots, *carried, _ANCHOR)  # pyright: ignore[reportReturnType]


class _Function(torch.autograd.Function):
    """slots: gradient tensors of parameters; carried: tensors whose gradients autograd carries."""

    @staticmethod
    def forward(
        ctx: Any, operation: Operation, tensors: Tensors, slots: Sequence[Tensor | None], *carried: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.operation, ctx.tensors, ctx.slots = operation, tensors, slots
        ctx.save_for_backward(*carried)
        ctx.set_materialize_grads(False)
        return operation.forward_with_tape(tensors)

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # second gradients must be refused, not ignored
            return _backward_once(ctx, _ANCHOR, *of_outputs)
        return _backward(ctx, *of_outputs)


def _backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
    carried = ctx.saved_tensors[:-1]  # raises if one was changed in place since
    of_carried = [torch.zeros_like(tensor) if tensor.requires_grad else None for tensor in carried]
    rest = iter(of_carried)
    of_tensors = tuple(
        slot if slot is not None else None if tensor is None else next(rest)
        for tensor, slot in zip(ctx.tensors, ctx.slots, strict=True)
    )
    ctx.operation.backward(ctx.tensors, of_outputs, of_tensors)
    return None, None, None, *of_carried, None


@once_differentiable
def _backward_once(ctx: Any, _anchor: Tensor, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
    """Takes an argument that requires a gradient: without one, once_differentiable would give zero second gradients."""
    return _backward(ctx, *of_outputs)


_VALUES, _OBSERVED = 0, 1  # places of the batch's tensors among the values of a replay


def is_replayable(calls: Sequence[Call], batch: Ragged, loss: Tensor, constants: Iterable[Tensor]) -> bool:
    """Whether the same calls compute the loss of any other batch.

    They do if
    1. every tensor that a call reads is the batch's values or mask, a parameter that has a gradient slot, one of the
       constants, or an output of an earlier call;
    2. every array that a call reads is the batch's lengths, or its starts;
    3. the loss is the output of the last call.
    Random draws, and results of torch operations between calls, are none of these. The calls' settings are repeated
    unchanged: the caller must know that they do not depend on the batch or the progress of training.
    constants: tensors that are the same for every batch.
    """
    known = {id(tensor) for tensor in (batch.values, batch.observed, *constants)}
    for call in calls:
        for tensor, slot in zip(call.tensors, slots_of(call.tensors), strict=True):
            if tensor is not None and slot is None and id(tensor) not in known:
                return False
        if any(array is not None and not _name_of(array, batch) for array in call.operation.arrays):
            return False
        known.update(map(id, call.outputs))
    return bool(calls) and calls[-1].outputs[-1] is loss


@dataclass(frozen=True, slots=True)
class _Step:
    """One call. arrays: names of the batch's arrays; inputs: places of values; outputs: first place, and how many.

    slots: of the inputs' gradients; needed: inputs that depend on a parameter, as (which input, place);
    has_gradient: whether there are any.
    """

    kind: type[Operation]
    settings: tuple[Any, ...]
    arrays: tuple[str | None, ...]
    inputs: tuple[int | None, ...]
    outputs: slice
    slots: tuple[Tensor | None, ...]
    needed: tuple[tuple[int, int], ...]
    has_gradient: bool


class Replay:
    """A replayable list of calls, prepared for other batches.

    Values have places: first the batch's tensors, then parameters and constants, then the outputs of each call.
    """

    def __init__(self, calls: Sequence[Call], batch: Ragged) -> None:
        self._is_masked, self._dtype = batch.observed is not None, batch.values.dtype
        places = {id(batch.values): _VALUES, id(batch.observed): _OBSERVED}
        self._fixed = _fixed(calls, places)
        places |= {id(tensor): place for place, tensor in enumerate(self._fixed, len(places))}
        leads = [False] * len(places)  # for each place, whether it depends on a parameter
        self._steps = []
        for call in calls:
            step = _step_of(call, batch, places, leads)
            places |= {id(tensor): place for place, tensor in enumerate(call.outputs, len(leads))}
            leads += [step.has_gradient] * len(call.outputs)
            self._steps.append(step)

    def takes(self, batch: Ragged) -> bool:
        """Whether the batch has the dtype of the traced one, and a mask if and only if that had one."""
        return (batch.observed is not None) == self._is_masked and batch.values.dtype == self._dtype

    @torch.no_grad()
    def loss(self, batch: Ragged) -> Tensor:
        """The loss of a batch, a scalar; its gradient is added to the slots of the parameters."""
        values: list[Any] = [batch.values, batch.observed, *self._fixed]
        calls = []
        for step in self._steps:
            arrays = (None if name is None else getattr(batch, name) for name in step.arrays)
            operation = step.kind(step.settings, *arrays)
            tensors = tuple(None if place is None else values[place] for place in step.inputs)
            values += operation.forward_with_tape(tensors)
            calls.append((step, operation, tensors))
        gradients: list[Tensor | None] = [None] * len(values)
        gradients[-1] = torch.ones_like(values[-1])
        for step, operation, tensors in reversed(calls):
            of_outputs = tuple(gradients[step.outputs])
            if step.has_gradient and any(gradient is not None for gradient in of_outputs):
                _backward_of_step(step, operation, tensors, of_outputs, gradients)
        return values[-1]


def replay_of(calls: Sequence[Call], batch: Ragged, loss: Tensor, constants: Iterable[Tensor]) -> Replay | None:
    """The replay of the calls that computed the loss of the batch; None if they are not replayable."""
    return Replay(calls, batch) if is_replayable(calls, batch, loss, constants) else None


def _backward_of_step(
    step: _Step, operation: Operation, tensors: Tensors, of_outputs: Tensors, gradients: list[Any]
) -> None:
    """Add to the slots of parameters, and to the gradients of values that depend on them."""
    of_tensors: list[Any] = list(step.slots)
    for i, _ in step.needed:
        of_tensors[i] = torch.zeros_like(tensors[i])
    operation.backward(tensors, of_outputs, tuple(of_tensors))
    for i, place in step.needed:
        gradients[place] = of_tensors[i] if gradients[place] is None else gradients[place] + of_tensors[i]


def _fixed(calls: Sequence[Call], places: dict[int, int]) -> tuple[Tensor, ...]:
    """Parameters and constants: inputs that are neither the batch's tensors nor outputs of calls."""
    made = {id(tensor) for call in calls for tensor in call.outputs} | places.keys()
    read = {id(tensor): tensor for call in calls for tensor in call.tensors if tensor is not None}
    return tuple(tensor for key, tensor in read.items() if key not in made)


def _step_of(call: Call, batch: Ragged, places: dict[int, int], leads: list[bool]) -> _Step:
    names = tuple(None if array is None else _name_of(array, batch) for array in call.operation.arrays)
    inputs = tuple(None if tensor is None else places[id(tensor)] for tensor in call.tensors)
    needed = tuple((i, place) for i, place in enumerate(inputs) if place is not None and leads[place])
    outputs = slice(len(leads), len(leads) + len(call.outputs))
    slots, kind = tuple(slots_of(call.tensors)), type(call.operation)
    has_gradient = kind.has_gradient and (bool(needed) or any(slot is not None for slot in slots))
    return _Step(kind, call.operation.settings, names, inputs, outputs, slots, needed, has_gradient)


def _name_of(array: np.ndarray, batch: Ragged) -> str:
    """The name of the batch's array; empty for another array."""
    if array is batch.lengths:
        return "lengths"
    is_starts = array is batch.starts or np.array_equal(array, starts_of(batch.lengths))
    return "starts" if is_starts else ""
