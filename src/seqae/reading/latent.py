"""The arguments of inverse_transform: vectors, and the length of each sequence."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.checks import MAX_MAGNITUDE, as_counts, to_numpy

MAX_DECODED_STEPS = 2**31


def take_latent(Z: object, latent_size: int) -> np.ndarray:
    """Latent vectors, checked. Returns (n_sequences, latent_size) float32."""
    latent = to_numpy(Z)
    if latent.dtype.kind not in "iuf":
        raise InvalidSequence(f"Z must hold real numbers, got dtype {latent.dtype}")
    if latent.ndim != 2 or latent.shape[1] != latent_size:
        raise InvalidSequence(f"Z must be (n_sequences, {latent_size}) as transform() gives, got shape {latent.shape}")
    is_usable = np.abs(latent.astype(np.float64, copy=False)) <= MAX_MAGNITUDE
    if not is_usable.all():
        i, k = (int(index) for index in np.argwhere(~is_usable)[0])
        must = f"be at most {MAX_MAGNITUDE:g} in size" if np.isfinite(latent[i, k]) else "be finite"
        raise InvalidSequence(f"vector {i}, value {k} is {latent[i, k]}; every value of Z must {must}")
    return np.ascontiguousarray(latent, np.float32)


def take_lengths(lengths: object, n_sequences: int) -> np.ndarray:
    """The length of each decoded sequence; one number is for all. Returns (n_sequences,) int64."""
    counts = as_counts(lengths, "lengths")
    if counts.ndim == 0:
        counts = np.full(n_sequences, counts)
    if counts.shape != (n_sequences,):
        raise InvalidParameter(
            f"lengths must have one number for each of the {n_sequences} vectors, got {counts.shape}"
        )
    if n_sequences and counts.min() < 1:
        i = int(np.argmin(counts))
        raise InvalidParameter(f"lengths[{i}] is {counts[i]}; a sequence has at least one step")
    if (n_sequences and counts.max() > MAX_DECODED_STEPS) or counts.sum() > MAX_DECODED_STEPS:
        raise InvalidParameter(
            f"lengths ask for {int(counts.astype(object).sum())} steps, more than {MAX_DECODED_STEPS}; "
            "decode fewer at a time"
        )
    return counts
