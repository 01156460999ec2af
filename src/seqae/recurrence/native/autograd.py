"""Operations as one autograd function; in training, gradients of parameters go past autograd, and calls are traced.

Slots and trace belong to one context (contextvars): a fit in another thread has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .operations import Operation, Tensors

_ANCHOR = torch.zeros(0, requires_grad=True)  # autograd makes no node without it where every parameter has a slot


@dataclass(frozen=True, slots=True)
class Call:
    """An operation, what it was called on, and what came of it."""

    operation: Operation
    tensors: Tensors
    outputs: tuple[Tensor, ...]


_slots: ContextVar[Mapping[int, Tensor]] = ContextVar("slots", default=MappingProxyType({}))
"""By the identity of the parameter, which outlives its slot."""

_trace: ContextVar[list[Call] | None] = ContextVar("trace", default=None)


@contextmanager
def gradient_slots(slots: Iterable[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """While it lasts, the native kernel adds its gradient of each parameter to the tensor that comes with it.

    slots: pairs of parameter and gradient, of one shape. Autograd sees nothing of it; what other operations know of the
    same gradient goes to .grad as ever.
    """
    token = _slots.set({**_slots.get(), **{id(parameter): gradient for parameter, gradient in slots}})
    try:
        yield
    finally:
        _slots.reset(token)


def slots_of(tensors: Tensors) -> list[Tensor | None]:
    """Where the gradient of each tensor goes; None for those whose gradient autograd carries."""
    slots = _slots.get()
    return [slots.get(id(tensor)) for tensor in tensors]


@contextmanager
def traced() -> Iterator[list[Call]]:
    """The calls that are made while it lasts, in this thread; none by other backends."""
    calls: list[Call] = []
    token = _trace.set(calls)
    try:
        yield calls
    finally:
        _trace.reset(token)


def call(operation: Operation, tensors: Tensors) -> tuple[Tensor, ...]:
    """What the operation computes, differentiable where a tensor asks for it."""
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
    """slots: where the gradients of some of the tensors go; carried: the others, whose gradients autograd carries."""

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
        if torch.is_grad_enabled():  # gradients of these gradients may be asked for, and must be refused
            return _backward_once(ctx, _ANCHOR, *of_outputs)
        return _backward(ctx, *of_outputs)


def _backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
    carried = ctx.saved_tensors[:-1]  # refuses those that were changed in place since
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
    """With an argument that needs a gradient: without one, once_differentiable lets a second gradient pass as zero."""
    return _backward(ctx, *of_outputs)
