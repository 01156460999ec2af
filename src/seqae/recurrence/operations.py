"""What the compiled kernel computes, forward and backward, one class for each kind of call; no autograd in here.

An operation is made for one call: of settings, which are the same for every batch, and of arrays that tell where the
sequences of this batch lie.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .compiled import compiled
from .threads import n_kernel_threads

Tensors = tuple[Tensor | None, ...]


class Operation(ABC):
    """One call of the kernel, and what its gradient needs."""

    def __init__(self, settings: tuple[Any, ...], *arrays: np.ndarray | None) -> None:
        self.settings, self.arrays = settings, arrays  # kept: recording.py makes the same call of another batch

    has_gradient = True

    @abstractmethod
    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """What the call computes. tensors: contiguous; keep: whether backward() will follow."""

    @abstractmethod
    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """Add the gradients of tensors to their rooms: None where not needed, zeros unless other calls add there too.

        of_outputs: gradients of what forward() returned; None for zeros.
        """


class Recurrence(Operation):
    """One layer, or a stack that feeds back on itself, over a ragged batch.

    settings: is it a GRU, is it relu, the source of its inputs, is it reversed; are outputs, are final states wanted.
    arrays: starts (None but for inputs per step) and lengths. tensors: as native/recurrence_call.h has them.
    """

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """The wanted ones of outputs, (n_steps, n_channels), and final states of all layers."""
        is_gru, is_relu, source, is_reversed, has_outputs, has_final = self.settings
        self._call = compiled().Recurrence(is_gru, is_relu, source, is_reversed, *self.arrays)
        n_states = 1 if is_gru else 2
        hidden, readout = tensors[4 :: 4 + n_states], tensors[1]
        top = hidden[-1]
        n_channels = top.shape[1] if readout is None else readout.shape[0]
        outputs = top.new_empty((self._call.n_steps, n_channels)) if has_outputs else None
        sizes = [weights.shape[1] for weights in hidden for _ in range(n_states)] if has_final else ()
        final = tuple(top.new_empty((self._call.n_sequences, size)) for size in sizes)
        self._call.forward(tensors, outputs, final, keep, n_kernel_threads())
        return final if outputs is None else (outputs, *final)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        given = tuple(None if gradient is None else contiguous(gradient) for gradient in of_outputs)
        outputs, final = (given[0], given[1:]) if self.settings[4] else (None, given)
        self._call.backward(tensors, outputs, final, rooms, n_kernel_threads())

    @property
    def kernel(self) -> str:
        """The instruction set that ran."""
        return self._call.kernel


class Linear(Operation):
    """tensors: x, weight (it or its transpose is contiguous: read as it lies), bias, amounts and direction or None."""

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """(n, output_size)."""
        x, weight, bias, amounts, direction = tensors
        out = x.new_empty((len(x), len(weight)))
        is_transposed = not weight.is_contiguous()
        as_it_lies = weight.t() if is_transposed else weight
        compiled().linear(x, as_it_lies, is_transposed, bias, amounts, direction, out)
        return (out,)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        (of_out,) = of_outputs
        x, weight, _, amounts, _ = tensors
        of_x, of_weight, of_bias, _, of_direction = rooms
        if of_x is not None:
            of_x.addmm_(of_out, weight)
        if of_weight is not None:
            of_weight.addmm_(of_out.t(), x)
        if of_bias is not None:
            of_bias.add_(of_out.sum(0))
        if of_direction is not None:
            of_direction.addmv_(of_out.t(), amounts[:, 0])


class Attention(Operation):
    """tensors: queries, memory; arrays: how many steps each sequence has of either."""

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """Contexts, (n_steps, size)."""
        contexts = torch.empty_like(tensors[0])
        self._attend(tensors, contexts, ())
        return (contexts,)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        found = tuple(torch.empty_like(tensor) for tensor in tensors)
        self._attend(tensors, contiguous(of_outputs[0]), found)
        for room, gradient in zip(rooms, found, strict=True):
            if room is not None:
                room.add_(gradient)

    def _attend(self, tensors: Any, contexts: Tensor, gradients: tuple[Tensor, ...]) -> None:
        (queries, memory), (n_queries, n_memories) = tensors, self.arrays
        compiled().attend(queries, n_queries, memory, n_memories, contexts, gradients, n_kernel_threads())


class MeanLoss(Operation):
    """settings: number of the kind in native/problem.h, per_sequence; arrays: lengths, None for one sequence.

    tensors: prediction, target, observed or None.
    """

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """A scalar."""
        prediction, target, observed = tensors
        mean, self._gradient = prediction.new_empty(()), torch.empty_like(prediction)
        batch = prediction, target, observed, *self.arrays
        compiled().mean_loss(*self.settings, *batch, mean, self._gradient, n_kernel_threads())
        return (mean,)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        rooms[0].add_(self._gradient, alpha=of_outputs[0].item())


class Join(Operation):
    """tensors: matrices of as many rows."""

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """Side by side."""
        return (torch.cat(tensors, dim=1),)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        parts = of_outputs[0].split([tensor.shape[1] for tensor in tensors], dim=1)
        for room, part in zip(rooms, parts, strict=True):
            if room is not None:
                room.add_(part)


class WeightedSum(Operation):
    """settings: the weights; tensors: as many scalars."""

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """A scalar."""
        total = sum(weight * tensor.item() for weight, tensor in zip(self.settings, tensors, strict=True))
        return (torch.full_like(tensors[0], total),)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """See Operation.backward."""
        for weight, room in zip(self.settings, rooms, strict=True):
            if room is not None:
                room.add_(of_outputs[0], alpha=weight)


class UsualLengths(Operation):
    """settings: mean, unit and highest length that is told; arrays: lengths; tensors: one of the wanted dtype."""

    has_gradient = False

    def forward(self, tensors: Any, *, keep: bool) -> tuple[Tensor, ...]:
        """(n_sequences, 1)."""
        (mean, unit, highest), (lengths,) = self.settings, self.arrays
        usual = (np.minimum(np.asarray(lengths), highest) - mean) / unit
        return (torch.from_numpy(usual).to(tensors[0].dtype)[:, None],)

    def backward(self, tensors: Any, of_outputs: Any, rooms: Any) -> None:
        """Lengths are no tensors."""
        raise NotImplementedError


def contiguous(tensor: Tensor) -> Tensor:
    """The tensor itself if it lies as the kernel reads it, else a copy that does."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()
