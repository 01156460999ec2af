"""The randomness of one training update: a function of seed and update number, so that a resumed run repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Draw:
    """What an update may draw. progress: the part of the planned updates that is done, 0..1."""

    generator: torch.Generator
    progress: float

    @classmethod
    def of_update(cls, seed: int, n_updates: int, progress: float) -> Self:
        """n_updates: how many came before."""
        state = int(np.random.SeedSequence([seed, n_updates]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        return cls(torch.Generator().manual_seed(state), progress)

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
