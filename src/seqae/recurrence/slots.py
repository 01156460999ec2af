"""Where training wants the gradients of its parameters: the kernel adds them up there, past autograd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_slots: dict[int, Tensor] = {}  # by the identity of the parameter, which outlives its slot
ANCHOR = torch.zeros(0, requires_grad=True)
"""What makes autograd follow a call of which it sees nothing else that needs a gradient."""


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


def slots_of(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Where the gradient of each tensor goes; None for those that autograd is to see."""
    return [_slots.get(id(tensor)) for tensor in tensors]
