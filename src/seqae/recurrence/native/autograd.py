"""One autograd function for all operations; in training, gradients of parameters bypass autograd, and calls are traced.

Slots and trace are context variables: a fit in another thread has its own.
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
