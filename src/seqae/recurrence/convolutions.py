"""The convolutions to compute, and the number of thresholds for each of their outputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..errors import InvalidParameter

N_TAPS = 9
"""Number of taps of a kernel, a dilation apart; the middle one is at the step of the output."""

KERNELS = tuple(combinations(range(N_TAPS), 3))
"""The three taps of each kernel that weigh 2; the others weigh -1 (MiniRocket: Dempster, Schmidt & Webb 2021)."""

N_KERNELS = len(KERNELS)


@dataclass(frozen=True, slots=True, eq=False)
class Convolutions:
    """MiniRocket's 84 kernels at several dilations, each on the sum of some channels.

    dilations: (n_dilations,) int64, in steps. channels: (n_dilations, 84, n_channels) bool, which channels are summed.
    n_biases: (n_dilations,) int64, how many features each output of that dilation gives.
    is_standardised: each channel of each sequence is first brought to mean 0 and deviation 1 (at least 0.01).
    Features lie by dilation, then kernel, then bias.

    Raises InvalidParameter where a part has another shape, a dilation or a number of biases is below 1, or a kernel
    has no channel.
    """

    dilations: np.ndarray
    channels: np.ndarray
    n_biases: np.ndarray
    is_standardised: bool = False

    def __post_init__(self) -> None:
        n_dilations = len(self.dilations)
        for name in ("dilations", "n_biases"):
            counts = np.ascontiguousarray(getattr(self, name), np.int64)
            if counts.shape != (n_dilations,) or (counts < 1).any() or (counts >= 1 << 24).any():
                raise InvalidParameter(f"{name} must be {n_dilations} whole numbers from 1 to 2**24 - 1, got {counts}")
            object.__setattr__(self, name, counts)
        channels = np.ascontiguousarray(self.channels, bool)
        if channels.ndim != 3 or channels.shape[:2] != (n_dilations, N_KERNELS) or not channels.any(axis=2).all():
            raise InvalidParameter(
                f"channels must be ({n_dilations}, {N_KERNELS}, n_channels), with a channel for each kernel, "
                f"got shape {channels.shape}"
            )
        object.__setattr__(self, "channels", channels)

    @property
    def n_channels(self) -> int:
        """Channels of the sequences that the kernels read."""
        return self.channels.shape[2]

    @property
    def n_features(self) -> int:
        """Shares that a sequence has."""
        return N_KERNELS * int(self.n_biases.sum())
