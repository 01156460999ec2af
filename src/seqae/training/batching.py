"""Batches: how many, which sequences go together, loading them, and the loss of each with its gradient.

The gradient comes by autograd, or by replaying an earlier batch's kernel calls. A replayed batch runs no code of the
model: that makes it fast, and would make hooks and breakpoints there seem dead. So a batch is replayed only if

- the kernel's calls of an earlier batch are replayable, see recurrence/native/replay.py;
- the model asked the update for nothing when it made them, neither for a random draw nor for the progress of training;
- no module has a hook, and none of its methods was replaced;
- this thread is not traced, as debuggers do (sys.settrace); SEQAE_REPLAY=1 replays all the same;
- SEQAE_REPLAY is not 0.

Every RETRACE_EVERY-th batch goes through the model, so that a change of the model during training has its effect.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
import torch
import torch.nn.modules.module as torch_module
from torch import Tensor, nn

from ..errors import InvalidParameter
from ..model.layers import Draw
from ..model.losses import Loss
from ..recurrence import Replay, gather, gradient_slots, replay_of, traced
from ..sequences.checks import advise_random, check_whole, mapping_of
from ..sequences.ragged import Ragged, as_tensor, hold_out_apart, to_tensors
from ..sequences.scaling import Scaling

BUCKET_BATCHES = 64
INFERENCE_SEQUENCES = 1024
INFERENCE_STEPS = 1 << 17
FEWEST_SEQUENCES = 32  # that the kernel takes at a time, on the widest processors


class Trainable(Protocol):
    """What training asks of a model: see Autoencoder."""

    @property
    def is_trained(self) -> bool:
        """Whether anything is learnt by gradients."""
        ...

    @property
    def has_closed_form(self) -> bool:
        """Whether a part is fitted in closed form."""
        ...

    @property
    def fewest_sequences(self) -> int:
        """Of fewer nothing is trained beside a closed form."""
        ...

    def training_loss(self, batch: Ragged, loss: Loss, draw: Draw) -> Tensor:
        """The loss of a batch, a scalar."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """See nn.Module."""
        ...

    def buffers(self) -> Iterator[Tensor]:
        """See nn.Module."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """See nn.Module."""
        ...


Quality = Literal["fast", "good", "best"]
FEWEST_IN_BATCH, MOST_IN_BATCH, BATCHES = 8, 64, 16
SHARES: Mapping[Quality, float] = {"fast": 0.25, "good": 1, "best": 5}
UPDATES, FEWEST_EPOCHS = 2000, 20  # times these
RESIDUAL_SHARES: Mapping[Quality, float] = {"fast": 0, "good": 1, "best": 10}
RESIDUAL_UPDATES, FEWEST_RESIDUAL_UPDATES, RESIDUAL_STEPS = 500, 200, 1_000_000
PATIENCE, LEAST_PATIENCE = 0.2, 20


@dataclass(frozen=True, slots=True)
class Budget:
    """How much to train, as an estimator is told. "auto" goes by the data: see planned()."""

    quality: Quality
    max_epochs: int | Literal["auto"]
    batch_size: int | Literal["auto"]
    learning_rate: float
    patience: int | Literal["auto"] | None
    seed: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train. patience: epochs without a better monitored loss before stopping, counted from where the objective
    no longer changes (see Objective.annealing); None never stops early.

    learning_rate: the highest; it rises over the first 2 % of the updates and falls on a cosine to 1 % (Loshchilov &
    Hutter 2017, 1608.03983). max_norm: longest gradient (Pascanu et al. 2013, 1211.5063).
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    patience: int | None
    seed: int
    max_norm: float = 1.0


def planned(budget: Budget, model: Trainable, lengths: np.ndarray) -> Settings | None:
    """What a budget is for a model and data; None where nothing is to be trained. lengths: (n_sequences,), in steps.

    Whatever is not "auto" is obeyed. A batch has a sixteenth of the sequences, a power of two from 8 to 64.
    A recurrent autoencoder gets 2,000 updates or more, so that every sequence is seen 20 times; a quarter of both with
    quality "fast", five times with "best". Recurrent layers beside a closed form get 500 updates, but at most a million
    steps, where there are enough sequences (see Residual) and 200 updates at least; ten times with "best", none with
    "fast". Patience is a fifth of the epochs, 20 at least.
    """
    if not model.is_trained:
        return None
    batch_size = batch_size_for(len(lengths)) if budget.batch_size == "auto" else budget.batch_size
    n_batches = -(-len(lengths) // batch_size)
    if budget.max_epochs != "auto":
        max_epochs = budget.max_epochs
    elif model.has_closed_form:
        max_epochs = _epochs_beside_closed_form(budget.quality, model, lengths, n_batches)
    else:
        share = SHARES[budget.quality]
        max_epochs = max(math.ceil(share * UPDATES / n_batches), math.ceil(share * FEWEST_EPOCHS))
    if not max_epochs:
        return None
    usual = max(math.ceil(PATIENCE * max_epochs), LEAST_PATIENCE)
    patience = usual if budget.patience == "auto" else budget.patience
    return Settings(max_epochs, batch_size, budget.learning_rate, patience, budget.seed)


def batch_size_for(n_sequences: int) -> int:
    """A power of two, about a sixteenth of the sequences."""
    return min(max(1 << max(n_sequences // BATCHES, 1).bit_length() - 1, FEWEST_IN_BATCH), MOST_IN_BATCH)


def _epochs_beside_closed_form(quality: Quality, model: Trainable, lengths: np.ndarray, n_batches: int) -> int:
    """How many epochs can be expected to help, and are soon done; 0 if none are."""
    share = RESIDUAL_SHARES[quality]
    n_epochs = min(math.ceil(share * RESIDUAL_UPDATES / n_batches), int(share * RESIDUAL_STEPS / lengths.sum()))
    is_enough = n_epochs * n_batches >= FEWEST_RESIDUAL_UPDATES
    return n_epochs if is_enough and len(lengths) >= model.fewest_sequences else 0


def shuffled_batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Every sequence once, in batches of similar length, in an order that (seed, epoch) alone decides.

    The sequences are shuffled, sorted by length within buckets of 64 batches, cut, and the batches shuffled.
    lengths: (n_sequences,). Returns index vectors of batch_size, the last ones of a bucket perhaps smaller.
    """
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(lengths))
    bucket_size = batch_size * BUCKET_BATCHES
    batches = []
    for first in range(0, len(shuffled), bucket_size):
        bucket = shuffled[first : first + bucket_size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += np.split(bucket, range(batch_size, len(bucket), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


def ordered_batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Every sequence once, longest first, in batches whose memory is bounded: for inference."""
    order = np.argsort(-lengths, kind="stable")
    batches, first = [], 0
    while first < len(order):
        longest = max(int(lengths[order[first]]), 1)
        size = max(FEWEST_SEQUENCES, min(INFERENCE_SEQUENCES, INFERENCE_STEPS // longest))
        batches.append(order[first : first + size])
        first += size
    return batches


def device_of(device: str) -> torch.device:
    """The device to compute on. Raises InvalidParameter for a device that does not exist."""
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidParameter(
            f"device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}", parameter="device"
        ) from error
    if wanted.type not in ("cpu", "cuda"):
        raise InvalidParameter(f"device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}", parameter="device")
    if wanted.type == "cpu":
        return torch.device("cpu")
    if (wanted.index or 0) >= torch.cuda.device_count():
        raise InvalidParameter(
            f"device {device!r} is not here: torch sees {torch.cuda.device_count()} CUDA devices", parameter="device"
        )
    return torch.device("cuda", wanted.index or 0)


class BatchLoader:
    """Scaled batches of one data set, on one device."""

    def __init__(self, sequences: Ragged, scaling: Scaling, device: torch.device | str = "cpu") -> None:
        self._mapping = mapping_of(sequences.values)
        advise_random(self._mapping)
        self._sequences = to_tensors(sequences)
        self._centre, self._scale = as_tensor(scaling.centre), as_tensor(scaling.scale)
        self._device = device
        self._is_on_cpu = str(device) == "cpu"

    def __len__(self) -> int:
        return len(self._sequences)

    @property
    def lengths(self) -> np.ndarray:
        """(n_sequences,) int64, in steps."""
        return self._sequences.lengths

    def load(self, indices: np.ndarray) -> Ragged:
        """The chosen sequences, scaled and back to back, values (n_steps, n_channels) float32 on the device."""
        check_whole(self._mapping)
        chosen = self._sequences[indices]
        batch = chosen.compact() if chosen.is_tokens else self._scaled(chosen)
        return batch if self._is_on_cpu else _to_device(batch, self._device)

    def _scaled(self, chosen: Ragged) -> Ragged:
        """Back to back, centred in the precision of the scaling, and then float32."""
        if chosen.values.dtype != self._centre.dtype:
            chosen = chosen.compact()
            chosen = _with_values(chosen, chosen.values.to(self._centre.dtype))
        scaled = gather(chosen, self._centre, self._scale)
        return scaled if scaled.values.dtype == torch.float32 else _with_values(scaled, scaled.values.float())


def _with_values(sequences: Ragged, values: torch.Tensor) -> Ragged:
    return Ragged.view(values, sequences.starts, sequences.lengths, sequences.observed)


def scaled(windows: Ragged, scaling: Scaling, device: torch.device) -> Ragged:
    """One batch, scaled and back to back, values float32 on the device, or tokens as they are: see BatchLoader."""
    values = windows.values
    is_plain = windows.observed is None and values.ndim == 2 and values.flags.c_contiguous and values.flags.writeable
    if device.type == "cpu" and is_plain and values.dtype == scaling.centre.dtype == np.float32:
        direct = to_tensors(windows)
        return gather(direct, as_tensor(scaling.centre), as_tensor(scaling.scale))
    return BatchLoader(windows, scaling, device).load(np.arange(len(windows)))


def _to_device(batch: Ragged, device: torch.device | str) -> Ragged:
    observed = None if batch.observed is None else batch.observed.to(device)
    return Ragged.view(batch.values.to(device), batch.starts, batch.lengths, observed)


RETRACE_EVERY = 200
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
TORCH_DECORATORS = "torch.utils._contextlib"  # where a method's code lies that is decorated with torch.no_grad()


def held_out_of(sequences: Ragged, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which sequences to train on and which are held out, both increasing; they share no step.

    At least one is held out if two do not overlap and the fraction is above 0.
    """
    if not fraction or len(sequences) < 2:
        return np.arange(len(sequences)), np.zeros(0, np.int64)
    return hold_out_apart(sequences, fraction, (seed, 0))


class FlatParameters:
    """In this context, each parameter is a view of one flat vector; afterwards it owns its memory again.

    values: (n_parameters,).
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = list(module.parameters())
        with torch.no_grad():
            self.values = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        self._gradient = torch.zeros_like(self.values)
        sizes = [parameter.numel() for parameter in self._parameters]
        gradients = zip(self._parameters, self._gradient.split(sizes), strict=True)
        self._slots = [(parameter, part.view_as(parameter)) for parameter, part in gradients if parameter.requires_grad]
        self._context = ExitStack()

    def __enter__(self) -> Self:
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, values in zip(self._parameters, self.values.split(sizes), strict=True):
            parameter.data = values.view_as(parameter)
        self._context.enter_context(gradient_slots(self._slots))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._context.close()
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()

    def forget_gradient(self) -> None:
        """Prepare a backward pass: set the gradient to zero."""
        self._gradient.zero_()

    def gradient(self) -> Tensor:
        """The sum of gradients since then, from kernel and autograd, (n_parameters,), in the order of values."""
        for parameter, gradient in self._slots:
            if parameter.grad is not None:
                gradient.add_(parameter.grad)
                parameter.grad = None
        return self._gradient


class LossAndGradient:
    """Computes losses and adds gradients to the flat parameters."""

    def __init__(self, model: Trainable, loss: Loss, flat: FlatParameters) -> None:
        self._model, self._loss, self._flat = model, loss, flat
        self._switch = replay_switch()
        self._replay: Replay | None = None
        self._n_batches = 0

    def compute(self, batch: Ragged, draw: Draw) -> float:
        """The training loss; its gradient is in the flat parameters."""
        is_due = self._switch != "0" and self._n_batches % RETRACE_EVERY == 0
        self._n_batches += 1
        self._flat.forget_gradient()
        if not is_due and self._replay is not None and self._replay.takes(batch) and not self._is_watched():
            return self._replay.loss(batch).item()
        loss = self._traced(batch, draw) if is_due else self._model.training_loss(batch, self._loss, draw)
        loss.backward()
        return loss.item()

    def _traced(self, batch: Ragged, draw: Draw) -> Tensor:
        with traced() as calls:
            loss = self._model.training_loss(batch, self._loss, draw)
        frozen = (parameter for parameter in self._model.parameters() if not parameter.requires_grad)
        is_same = not draw.is_used  # as for any other update
        self._replay = replay_of(calls, batch, loss, [*self._model.buffers(), *frozen]) if is_same else None
        self._instrumentation = Instrumentation(self._model.modules())
        return loss

    def _is_watched(self) -> bool:
        return self._instrumentation.is_present() or (self._switch == "" and sys.gettrace() is not None)


def replay_switch() -> str:
    """What SEQAE_REPLAY says: "0", "1", or "" where it is not set. Raises InvalidParameter if it is anything else."""
    switch = os.environ.get("SEQAE_REPLAY", "")
    if switch not in ("", "0", "1"):
        raise InvalidParameter(f"SEQAE_REPLAY must be 0 (every batch goes through the model) or 1, got {switch!r}")
    return switch


class Instrumentation:
    """Hooks on modules, and methods that are not their classes' own: what expects that the model's code is run.

    Hooks and methods of single modules are seen at each look, methods of whole classes as they were at the start.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        modules = list(modules)
        self._attributes = [vars(module) for module in modules]
        self._hooks = [vars(torch_module)[f"_global{name}"] for name in HOOKS]
        self._hooks += [attributes[name] for attributes in self._attributes for name in HOOKS]
        self._n_attributes = sum(map(len, self._attributes))
        self._has_replaced = any(map(has_replaced_methods, modules))

    def is_present(self) -> bool:
        """Whether there is any. A look takes about a microsecond."""
        return self._has_replaced or any(self._hooks) or sum(map(len, self._attributes)) != self._n_attributes


def has_replaced_methods(module: nn.Module) -> bool:
    """Whether any method of the module, or of its class in seqae, was written elsewhere than the class."""
    own = type(module)
    if any(callable(value) and callable(getattr(own, name, None)) for name, value in vars(module).items()):
        return True
    classes = [kind for kind in own.__mro__ if kind.__module__.partition(".")[0] == __name__.partition(".")[0]]
    return any(_is_replaced(kind, member) for kind in classes for member in vars(kind).values())


def _is_replaced(kind: type, member: object) -> bool:
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    if not callable(function):
        return False
    writer = getattr(function, "__globals__", {}).get("__name__")
    return writer not in (kind.__module__, TORCH_DECORATORS)
