"""The randomness of one training update: a function of seed and update number, so that a resumed run repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """What an update may draw. n_updates: how many came before; progress: the part of the planned ones, 0..1."""

    seed: int
    n_updates: int
    progress: float

    @cached_property
    def generator(self) -> torch.Generator:
        """Made when something is drawn: most architectures draw nothing, and it costs as much as a kernel call."""
        entropy = np.random.SeedSequence([self.seed, self.n_updates])
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
