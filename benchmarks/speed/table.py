"""The rows of the benchmark: tasks and peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from seqae.estimator import SequenceAutoencoder
from seqae.model.architecture import Architecture, EncoderPlan, Identity, LatentPlan
from seqae.recurrence import Cell, Readout, Weights, kernel_first, recur_feedback
from seqae.sequences.ragged import Ragged

from . import others, peers
from .machine import seconds

BATCH_SIZE = 64
N_STEPS = 100
DECODED_STEPS = 150
N_DECODED = 256
N_CALLS = 3  # timed together
REST = 0.02  # seconds before each measurement: torch's worker threads spin for some milliseconds before they sleep


@dataclass(frozen=True, slots=True)
class Size:
    """A model's size and its data's channels."""

    hidden_size: int
    n_channels: int

    @property
    def operations_per_step(self) -> int:
        """Floating-point operations for one step of a sequence in training, forward and backward."""
        h, f = self.hidden_size, self.n_channels
        return 3 * (8 * h * (f + h) + 8 * h * h + 2 * h * f)


SIZES = (Size(16, 1), Size(64, 8), Size(128, 32))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster than a peer; median of repeats within one run. seconds: medians.

    rate: useful operations per second in training, None elsewhere.
    """

    task: str
    peer: str
    size: Size
    ratio: float
    seconds: float
    peer_seconds: float
    rate: float | None = None


def measure(*, n_sequences: int = 2048, n_repeats: int = 5, sizes: tuple[Size, ...] = SIZES) -> Iterator[Ratio]:
    """Every row for every size, as it is measured."""
    for size in sizes:
        yield from _training(size, n_sequences, n_repeats)
        yield from _other_training(size, n_sequences, n_repeats)
        yield from _embedding(size, n_sequences, n_repeats)
        yield _decoding(size, n_repeats)


def n_rows(n_sizes: int = len(SIZES)) -> int:
    """The number of ratios that measure() yields, for a progress bar."""
    n_others = len(others.keras_backends()) + (find_spec("sequitur") is not None)
    return n_sizes * (6 + n_others)


def make_sequences(size: Size, n_sequences: int, *, is_varied: bool) -> list[np.ndarray]:
    """Random walks of N_STEPS, or of 10..190, steps."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 191, n_sequences) if is_varied else np.full(n_sequences, N_STEPS)
    return [rng.normal(size=(n, size.n_channels)).astype(np.float32).cumsum(axis=0) / 10 for n in lengths]


def _training(size: Size, n_sequences: int, n_repeats: int) -> Iterator[Ratio]:
    plain = make_sequences(size, n_sequences, is_varied=False)
    varied = make_sequences(size, n_sequences, is_varied=True)
    for task, peer, sequences, epoch in (
        ("train, 100 steps", "torch nn.LSTM", plain, peers.equal_epoch),
        ("train, 10..190 steps", "torch padded, bucketed, masked", varied, peers.padded_epoch),
        ("train, 10..190 steps", "torch packed", varied, peers.packed_epoch),
    ):
        trainer = peers.TorchTrainer([torch.from_numpy(x) for x in sequences], size.hidden_size, BATCH_SIZE)
        data = Ragged.from_any(sequences)
        ours, theirs = [], []
        for k in range(n_repeats):
            ours.append(epoch_seconds(size, data))
            theirs.append(_seconds(epoch, trainer, k))
        yield _ratio(task, peer, size, ours, theirs, data.n_steps * size.operations_per_step)


def _other_training(size: Size, n_sequences: int, n_repeats: int) -> Iterator[Ratio]:
    """Training beside the optional peers."""
    sequences = make_sequences(size, n_sequences, is_varied=False)
    data, task = Ragged.from_any(sequences), "train, 100 steps"
    for backend in others.keras_backends():
        with others.keras_epochs(backend, np.stack(sequences), size.hidden_size, BATCH_SIZE) as epoch:
            pairs = [(epoch_seconds(size, data), epoch()) for _ in range(n_repeats)]
        ours, theirs = (list(seconds) for seconds in zip(*pairs, strict=True))
        yield _ratio(task, others.BACKENDS[backend], size, ours, theirs)
    if find_spec("sequitur"):
        ours, theirs = [], []
        for _ in range(n_repeats):
            ours.append(epoch_seconds(size, data))
            theirs.append(others.sequitur_epoch(sequences, size.hidden_size))
        yield _ratio(task, "sequitur", size, ours, theirs)


def epoch_seconds(size: Size, data: Ragged) -> float:
    """One whole epoch of fit(), data loading and optimiser included, after one to warm up."""
    ae = autoencoder(size, max_epochs=2).fit(data)
    return ae.history_.epochs[1].seconds


def autoencoder(size: Size, *, max_epochs: int) -> SequenceAutoencoder:
    """The peers' model: LSTM, repeat, LSTM, dense."""
    return SequenceAutoencoder(
        Architecture(
            encoder=EncoderPlan(is_bidirectional=False),
            latent=LatentPlan(projection=Identity(), length_weight=0),
        ),
        latent_size=size.hidden_size,
        hidden_size=size.hidden_size,
        max_epochs=max_epochs,
        batch_size=BATCH_SIZE,
        validation_fraction=0,
        patience=None,
        device="cpu",
        random_state=0,
        verbose=False,
    )


def _embedding(size: Size, n_sequences: int, n_repeats: int) -> Iterator[Ratio]:
    sequences = make_sequences(size, n_sequences, is_varied=False)
    ae = autoencoder(size, max_epochs=1).fit(sequences[:BATCH_SIZE])
    encoder = nn.LSTM(size.n_channels, size.hidden_size, batch_first=True)
    for task, n, n_calls in (("embed, 100 steps", n_sequences, N_CALLS), ("embed one sequence", 1, 50)):
        data, x = Ragged.from_any(sequences[:n]), torch.from_numpy(np.stack(sequences[:n]))
        ours, theirs = [], []
        for _ in range(n_repeats):
            ours.append(_seconds(_repeat, n_calls, ae.transform, data) / n_calls)
            theirs.append(_seconds(_repeat, n_calls, peers.embed, encoder, x) / n_calls)
        yield _ratio(task, "torch nn.LSTM, no gradients", size, ours, theirs)


def _decoding(size: Size, n_repeats: int) -> Ratio:
    cell, head = nn.LSTMCell(size.n_channels, size.hidden_size), nn.Linear(size.hidden_size, size.n_channels)
    state = tuple(torch.randn(2, N_DECODED, size.hidden_size).unbind())
    first, lengths = torch.zeros(N_DECODED, size.n_channels), np.full(N_DECODED, DECODED_STEPS)
    weights, readout = Weights(*cell.parameters()), Readout(head.weight, head.bias)
    call = recur_feedback, Cell(), first, lengths, [weights], [state], readout
    ours, theirs = [], []
    for _ in range(n_repeats):
        with torch.no_grad(), kernel_first():
            ours.append(_seconds(_repeat, N_CALLS, *call) / N_CALLS)
        theirs.append(_seconds(_repeat, N_CALLS, peers.free_running, cell, head, first, state, DECODED_STEPS) / N_CALLS)
    return _ratio("decode, free-running, 150 steps", "torch LSTMCell loop", size, ours, theirs)


def _ratio(
    task: str, peer: str, size: Size, ours: list[float], theirs: list[float], n_operations: int | None = None
) -> Ratio:
    ratio = median(their / our for our, their in zip(ours, theirs, strict=True))
    rate = None if n_operations is None else n_operations / median(ours)
    return Ratio(task, peer, size, ratio, median(ours), median(theirs), rate)


def _seconds(function: Callable[..., Any], *arguments: Any) -> float:
    time.sleep(REST)
    return seconds(function, *arguments)


def _repeat(n_calls: int, function: Callable[..., Any], *arguments: Any) -> None:
    for _ in range(n_calls):
        function(*arguments)
