"""Which sequences go together: seeded, length-bucketed batches of indices, and loading them."""

from __future__ import annotations

import numpy as np
import torch

from ..recurrence import gather
from ..sequences.maps import advise_random, check_whole, mapping_of
from ..sequences.ragged import Ragged, as_tensor, to_tensors
from ..sequences.scaling import Scaling

BUCKET_BATCHES = 64
INFERENCE_SEQUENCES = 1024
INFERENCE_STEPS = 1 << 17
FEWEST_SEQUENCES = 32  # that the kernel takes at a time, on the widest processors


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
