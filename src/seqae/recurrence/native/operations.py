"""The compiled extension, its operations, and the threads that it may use; nothing else imports seqae._native.

Operations have a forward and a backward call, one class for each kind, without autograd.

An operation is one call: settings, which are the same for every batch, and arrays with the starts and lengths of
this batch's sequences.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import KernelUnavailable


@cache
def extension() -> ModuleType:
    """The module; see native/bindings.cpp."""
    return importlib.import_module("seqae._native")


@cache
def kernels() -> tuple[str, ...]:
    """Instruction sets that are built in and run on this machine, best first; none without the extension."""
    return () if importlib.util.find_spec("seqae._native") is None else extension().kernels()


def forced_kernel() -> str:
    """The value of SEQAE_KERNEL, read at every call; empty if it is not set."""
    return _forced_kernel()()


@cache
def _forced_kernel() -> Callable[[], str]:
    return extension().forced_kernel if kernels() else partial(os.environ.get, "SEQAE_KERNEL", "")


def active_kernel() -> str:
    """The kernel for CPU tensors: "avx512", "avx2", "neon" or "scalar" (native), or "reference" (plain PyTorch).

    Raises KernelUnavailable if SEQAE_KERNEL names a kernel that cannot run here.
    """
    return kernel_for(forced_kernel())


@cache
def kernel_for(forced: str) -> str:
    """The kernel that SEQAE_KERNEL=forced gives; see active_kernel()."""
    names = [*kernels(), "reference"]
    if not forced:
        return names[0]
    if forced not in names:
        raise KernelUnavailable(f"SEQAE_KERNEL is {forced!r}, but this installation can run only: {', '.join(names)}")
    return forced


Tensors = tuple[Any, ...]
"""Tensors or None."""


class Operation(ABC):
    """One call of the extension, and the tape for its gradient."""

    has_gradient = True

    def __init__(self, settings: tuple[Any, ...], *arrays: np.ndarray | None) -> None:
        self.settings, self.arrays = settings, arrays  # stored, so that a replay makes the same call on another batch

    @abstractmethod
    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """The outputs of the call. tensors: contiguous."""

    def forward_with_tape(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """As forward(), storing the tape that backward() reads."""
        return self.forward(tensors)

    @abstractmethod
    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """Add the gradients of tensors to of_tensors, which other calls may have added to; None: not needed.

        of_outputs: gradients of the outputs of forward(); None for zeros.
        """


class Recurrence(Operation):
    """One layer, or a free-running stack, over a ragged batch.

    settings: CellKind, Activation, Source, whether in reverse; whether outputs, whether final states are wanted.
    arrays: starts (None but for inputs per step) and lengths. tensors: as native/recurrence_call.h has them.
    """

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """The wanted ones of outputs, (n_steps, n_channels), and final states of all layers."""
        return self._forward(tensors, keep=False)

    def forward_with_tape(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """See Operation.forward_with_tape."""
        return self._forward(tensors, keep=True)

    def _forward(self, tensors: Tensors, *, keep: bool) -> tuple[Tensor, ...]:
        *kinds, has_outputs, has_final = self.settings
        self._call = extension().Recurrence(*kinds, *self.arrays)
        n_states = self._call.n_states
        hidden, readout = tensors[4 :: 4 + n_states], tensors[1]
        top = hidden[-1]
        n_channels = top.shape[1] if readout is None else readout.shape[0]
        outputs = top.new_empty((self._call.n_steps, n_channels)) if has_outputs else None
        sizes = [weights.shape[1] for weights in hidden for _ in range(n_states)] if has_final else ()
        final = tuple(top.new_empty((self._call.n_sequences, size)) for size in sizes)
        self._call.forward(tensors, outputs, final, keep, n_kernel_threads())
        return final if outputs is None else (outputs, *final)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        given = tuple(None if gradient is None else contiguous(gradient) for gradient in of_outputs)
        outputs, final = (given[0], given[1:]) if self.settings[4] else (None, given)
        self._call.backward(tensors, outputs, final, of_tensors, n_kernel_threads())

    @property
    def kernel(self) -> str:
        """The instruction set that ran."""
        return self._call.kernel


class Linear(Operation):
    """tensors: x, weight (it or its transpose is contiguous), bias, amounts and direction or None."""

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """(n, output_size)."""
        x, weight, bias, amounts, direction = tensors
        out = x.new_empty((len(x), len(weight)))
        is_transposed = not weight.is_contiguous()
        as_it_lies = weight.t() if is_transposed else weight
        extension().linear(x, as_it_lies, is_transposed, bias, amounts, direction, out)
        return (out,)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        (of_out,) = of_outputs
        x, weight, _, amounts, _ = tensors
        of_x, of_weight, of_bias, _, of_direction = of_tensors
        if of_x is not None:
            of_x.addmm_(of_out, weight)
        if of_weight is not None:
            of_weight.addmm_(of_out.t(), x)
        if of_bias is not None:
            of_bias.add_(of_out.sum(0))
        if of_direction is not None:
            of_direction.addmv_(of_out.t(), amounts[:, 0])


class Attention(Operation):
    """tensors: queries, memory; arrays: lengths of both."""

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """Contexts, (n_steps, size)."""
        contexts = torch.empty_like(tensors[0])
        self._attend(tensors, contexts, ())
        return (contexts,)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        found = tuple(torch.empty_like(tensor) for tensor in tensors)
        self._attend(tensors, contiguous(of_outputs[0]), found)
        for of_tensor, gradient in zip(of_tensors, found, strict=True):
            if of_tensor is not None:
                of_tensor.add_(gradient)

    def _attend(self, tensors: Tensors, contexts: Tensor, gradients: tuple[Tensor, ...]) -> None:
        (queries, memory), (n_queries, n_memories) = tensors, self.arrays
        extension().attend(queries, n_queries, memory, n_memories, contexts, gradients, n_kernel_threads())


class MeanLoss(Operation):
    """settings: LossKind, per_sequence; arrays: lengths, None for one sequence.

    tensors: prediction, target, observed or None.
    """

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """A scalar."""
        prediction, target, observed = tensors
        mean, self._gradient = prediction.new_empty(()), torch.empty_like(prediction)
        batch = prediction, target, observed, *self.arrays
        extension().mean_loss(*self.settings, *batch, mean, self._gradient, n_kernel_threads())
        return (mean,)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        of_tensors[0].add_(self._gradient, alpha=of_outputs[0].item())


class Concatenation(Operation):
    """tensors: matrices with equal numbers of rows."""

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """The matrices, concatenated along columns."""
        return (torch.cat(tensors, dim=1),)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        parts = of_outputs[0].split([tensor.shape[1] for tensor in tensors], dim=1)
        for of_tensor, part in zip(of_tensors, parts, strict=True):
            if of_tensor is not None:
                of_tensor.add_(part)


class WeightedSum(Operation):
    """settings: the weights; tensors: one scalar per weight."""

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """A scalar."""
        total = sum(weight * tensor.item() for weight, tensor in zip(self.settings, tensors, strict=True))
        return (torch.full_like(tensors[0], total),)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """See Operation.backward."""
        for weight, of_tensor in zip(self.settings, of_tensors, strict=True):
            if of_tensor is not None:
                of_tensor.add_(of_outputs[0], alpha=weight)


class StandardisedLengths(Operation):
    """settings: mean, unit and the cap of lengths; arrays: lengths; tensors: one of the wanted dtype."""

    has_gradient = False

    def forward(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """(n_sequences, 1)."""
        (mean, unit, longest), (lengths,) = self.settings, self.arrays
        standardised = (np.minimum(np.asarray(lengths), longest) - mean) / unit
        return (torch.from_numpy(standardised).to(tensors[0].dtype)[:, None],)

    def backward(self, tensors: Tensors, of_outputs: Tensors, of_tensors: Tensors) -> None:
        """Lengths have no gradients."""
        raise NotImplementedError


def contiguous(tensor: Tensor) -> Tensor:
    """The tensor itself if its layout suits the extension, else a contiguous copy."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


class _Own(threading.local):
    """Threads that torch lent to the kernel, per Python thread, as torch's own count is."""

    n_lent: int | None = None


class _Shared:
    """State shared by all Python threads: a new one starts with the count that was last set in any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_lenders, self.n_threads = 0, 1

    def begin(self) -> int:
        """The thread count of the calling Python thread before lending."""
        n_threads = torch.get_num_threads()
        with self.lock:
            if self.n_lenders and n_threads == 1:
                n_threads = self.n_threads
            self.n_lenders, self.n_threads = self.n_lenders + 1, n_threads
        return n_threads

    def end(self) -> None:
        with self.lock:
            self.n_lenders -= 1


_own, _shared = _Own(), _Shared()


def _after_fork() -> None:
    """The child has one thread, and nothing is lent."""
    n_threads = _shared.n_threads
    _shared.__init__()
    if _own.n_lent is not None:
        _shared.n_lenders, _shared.n_threads = 1, n_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def kernel_first() -> Iterator[None]:
    """In this context, the kernel uses as many threads as torch had, and torch's operations use one.

    After an operation on several threads, torch's workers spin for milliseconds on cores that the kernel needs: a
    training step takes 1.4 times as long. One thread also makes the bits of torch's sums independent of the thread
    count. The context belongs to the calling Python thread; contexts may be nested and concurrent.
    """
    if _own.n_lent is not None:
        yield
        return
    _own.n_lent = n_threads = _shared.begin()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _own.n_lent = None
        torch.set_num_threads(n_threads)
        _shared.end()


def n_kernel_threads() -> int:
    """Threads that a call of the kernel may use."""
    return torch.get_num_threads() if _own.n_lent is None else _own.n_lent
