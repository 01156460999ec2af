"""Operations as autograd follows them, and as training has their gradients put aside and their calls recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .operations import Operation, Tensors

_slots: dict[int, Tensor] = {}  # by the identity of the parameter, which outlives its slot
_ANCHOR = torch.zeros(0, requires_grad=True)  # has autograd follow a call of which it sees no other leaf


@dataclass(frozen=True, slots=True)
class Call:
    """An operation, what it was called on, and what came of it."""

    operation: Operation
    tensors: Tensors
    outputs: tuple[Tensor, ...]


class _Own(threading.local):
    """What one Python thread records, None for nothing."""

    calls: list[Call] | None = None


_own = _Own()


@contextmanager
def gradient_slots(slots: Iterable[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """While it lasts, the kernel adds its gradient of each parameter to the tensor that comes with it.

    slots: pairs of parameter and gradient, of one shape. Autograd sees nothing of it; what other operations know of the
    same gradient goes to .grad as ever.
    """
    own = {id(parameter): gradient for parameter, gradient in slots}
    _slots.update(own)
    try:
        yield
    finally:
        for key in own:
            del _slots[key]


def slots_of(tensors: Tensors) -> list[Tensor | None]:
    """Where the gradient of each tensor goes; None for those that autograd is to see."""
    return [_slots.get(id(tensor)) for tensor in tensors]


def run(operation: Operation, tensors: Tensors) -> tuple[Tensor, ...]:
    """What the operation computes, differentiable where a tensor asks for it."""
    is_followed = _needs_gradient(operation, tensors)
    outputs = _followed(operation, tensors) if is_followed else operation.forward(tensors, keep=False)
    if _own.calls is not None:
        _own.calls.append(Call(operation, tensors, outputs))
    return outputs


@contextmanager
def recorded_calls() -> Iterator[list[Call]]:
    """The calls that this Python thread makes while it lasts."""
    before, _own.calls = _own.calls, []
    try:
        yield _own.calls
    finally:
        _own.calls = before


def _needs_gradient(operation: Operation, tensors: Tensors) -> bool:
    if not (operation.has_gradient and torch.is_grad_enabled()):
        return False
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _followed(operation: Operation, tensors: Tensors) -> tuple[Tensor, ...]:
    slots = slots_of(tensors)
    seen = [tensor for tensor, slot in zip(tensors, slots, strict=True) if tensor is not None and slot is None]
    return _Followed.apply(operation, tensors, slots, *seen, _ANCHOR)  # pyright: ignore[reportReturnType]


class _Followed(torch.autograd.Function):
    """slots: where the gradients of some of the tensors go; seen: the others."""

    @staticmethod
    def forward(
        ctx: Any, operation: Operation, tensors: Tensors, slots: Sequence[Tensor | None], *seen: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.operation, ctx.tensors, ctx.slots = operation, tensors, slots
        ctx.save_for_backward(*seen)
        ctx.set_materialize_grads(False)
        return operation.forward(tensors, keep=True)

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # gradients of these gradients may be asked for, and must be refused
            return _backward_once(ctx, _ANCHOR, *of_outputs)
        return _backward(ctx, *of_outputs)


def _backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
    seen = ctx.saved_tensors[:-1]  # refuses those that were changed in place since
    of_seen = [torch.zeros_like(tensor) if tensor.requires_grad else None for tensor in seen]
    rest = iter(of_seen)
    rooms = tuple(
        slot if slot is not None else None if tensor is None else next(rest)
        for tensor, slot in zip(ctx.tensors, ctx.slots, strict=True)
    )
    ctx.operation.backward(ctx.tensors, of_outputs, rooms)
    return None, None, None, *of_seen, None


@once_differentiable
def _backward_once(ctx: Any, _anchor: Tensor, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
    """With an argument that needs a gradient: without one, once_differentiable lets a second gradient pass as zero."""
    return _backward(ctx, *of_outputs)
