"""The random numbers of one training update, a function of seed and update number, so that resumed runs repeat them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor


class Draw:
    """The random numbers of an update. n_updates: number of earlier updates; progress: their share of those planned,
    0..1.

    is_used: whether anything was read from it; if not, another update would compute the same.
    """

    def __init__(self, seed: int, n_updates: int, progress: float) -> None:
        self._seed, self._n_updates, self._progress = seed, n_updates, progress
        self.is_used = False

    @property
    def progress(self) -> float:
        """The part of the planned updates that came before, 0..1."""
        self.is_used = True
        return self._progress

    @cached_property
    def generator(self) -> torch.Generator:
        """Made on first use: most architectures draw nothing, and making it costs as much as a kernel call."""
        self.is_used = True
        entropy = np.random.SeedSequence([self._seed, self._n_updates])
        return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal values of the shape of `like`."""
        return torch.randn(like.shape, generator=self.generator).to(like)

    def kept(self, shape: tuple[int, ...], dropped: float, like: Tensor) -> Tensor:
        """1 where a value stays and 0 where it is dropped, of the dtype and device of `like`."""
        return (torch.rand(shape, generator=self.generator) >= dropped).to(like)

    def dropout(self, values: Tensor, dropped: float) -> Tensor:
        """Values zeroed with that probability, the others scaled up to keep the mean (Srivastava 2014)."""
        return values * (self.kept(tuple(values.shape), dropped, values) / (1 - dropped))

    def integers(self, high: int, count: int) -> Tensor:
        """Different whole numbers below high, (count,) int64."""
        return torch.randperm(high, generator=self.generator)[:count]
