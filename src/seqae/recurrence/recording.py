"""A training step as a list of the kernel's calls: recorded once, then run on other batches without model or autograd.

At 16 units, modules, autograd and the building of its graph take half as long as the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..sequences.ragged import Ragged, starts_of
from .following import Call, slots_of
from .operations import Operation

_VALUES, _OBSERVED, _UNKNOWN = 0, 1, -1  # places of the batch's own tensors among the values of a program


@dataclass(frozen=True, slots=True)
class _Step:
    """One call. arrays: names of the batch's; inputs: places of values; outputs: places from here on, and how many.

    slots: of the inputs' gradients; needed: inputs that lead to a parameter, as (which input, place); has_gradient:
    whether there are any.
    """

    kind: type[Operation]
    settings: tuple[Any, ...]
    arrays: tuple[str | None, ...]
    inputs: tuple[int | None, ...]
    outputs: slice
    slots: tuple[Tensor | None, ...]
    needed: tuple[tuple[int, int], ...]
    has_gradient: bool


class Program:
    """The calls of one training step. fixed: the values after the batch's own, the same for every batch."""

    def __init__(self, fixed: Sequence[Tensor], steps: Sequence[_Step]) -> None:
        self._fixed, self._steps = tuple(fixed), tuple(steps)

    @torch.no_grad()
    def run(self, batch: Ragged) -> Tensor:
        """The loss of a batch, a scalar; its gradient is added to the slots of the parameters."""
        values: list[Any] = [batch.values, batch.observed, *self._fixed]
        calls = []
        for step in self._steps:
            arrays = (None if name is None else getattr(batch, name) for name in step.arrays)
            operation = step.kind(step.settings, *arrays)
            tensors = tuple(None if place is None else values[place] for place in step.inputs)
            values += operation.forward(tensors, keep=True)
            calls.append((step, operation, tensors))
        gradients: list[Tensor | None] = [None] * len(values)
        gradients[-1] = torch.ones_like(values[-1])
        for step, operation, tensors in reversed(calls):
            of_outputs = tuple(gradients[step.outputs])
            if step.has_gradient and any(gradient is not None for gradient in of_outputs):
                _backward(step, operation, tensors, of_outputs, gradients)
        return values[-1]


def _backward(step: _Step, operation: Operation, tensors: Any, of_outputs: Any, gradients: list[Any]) -> None:
    """Add to the slots of parameters, and to the gradients of the values that lead to some."""
    rooms: list[Any] = list(step.slots)
    for i, _ in step.needed:
        rooms[i] = torch.zeros_like(tensors[i])
    operation.backward(tensors, of_outputs, tuple(rooms))
    for i, place in step.needed:
        gradients[place] = rooms[i] if gradients[place] is None else gradients[place] + rooms[i]


def program_of(calls: Sequence[Call], batch: Ragged, loss: Tensor, constants: Iterable[Tensor]) -> Program | None:
    """What computes the loss of another batch as these calls did that of this one, as far as they tell.

    constants: tensors that no batch changes. Returns None where anything else had a part in it: a tensor that no call
    put out and that has no slot, an array that is not the batch's.
    """
    places = {id(batch.values): _VALUES, id(batch.observed): _OBSERVED}
    fixed = _add_fixed(calls, places, {id(constant) for constant in constants})
    leads = [False] * len(places)  # for each place, whether a parameter had a part in it
    steps = []
    for call in calls:
        step = _step_of(call, batch, places, leads)
        if step is None:
            return None
        steps.append(step)
        places.update((id(tensor), place) for place, tensor in enumerate(call.outputs, len(leads)))
        leads += [step.has_gradient] * len(call.outputs)
    is_whole = bool(steps) and places.get(id(loss)) == len(leads) - 1
    return Program(fixed, steps) if is_whole else None


def _add_fixed(calls: Sequence[Call], places: dict[int, int], constants: set[int]) -> list[Tensor]:
    """Parameters and constants, each of which gets a place."""
    fixed = []
    for call in calls:
        for tensor, slot in zip(call.tensors, slots_of(call.tensors), strict=True):
            if tensor is not None and id(tensor) not in places and (slot is not None or id(tensor) in constants):
                places[id(tensor)] = len(places)
                fixed.append(tensor)
    return fixed


def _step_of(call: Call, batch: Ragged, places: dict[int, int], leads: list[bool]) -> _Step | None:
    """None where it reads what is not known."""
    names = tuple(_name_of(array, batch) for array in call.operation.arrays)
    inputs = tuple(None if tensor is None else places.get(id(tensor), _UNKNOWN) for tensor in call.tensors)
    if _UNKNOWN in inputs or "" in names:
        return None
    needed = tuple((i, place) for i, place in enumerate(inputs) if place is not None and leads[place])
    outputs = slice(len(leads), len(leads) + len(call.outputs))
    slots, kind = tuple(slots_of(call.tensors)), type(call.operation)
    has_gradient = kind.has_gradient and (bool(needed) or any(slot is not None for slot in slots))
    return _Step(kind, call.operation.settings, names, inputs, outputs, slots, needed, has_gradient)


def _name_of(array: np.ndarray | None, batch: Ragged) -> str | None:
    """Which of the batch's arrays it is, empty for none of them."""
    if array is None:
        return None
    if array is batch.lengths:
        return "lengths"
    is_starts = array is batch.starts or np.array_equal(array, starts_of(batch.lengths))
    return "starts" if is_starts else ""
