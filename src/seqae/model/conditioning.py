"""What a latent vector is to a decoder: its input at every step, its first state, or its steps; and teaching it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import Cell, Constant, State, attend
from ..sequences.ragged import Ragged, back_to_back
from .architecture import Feedback
from .draw import Draw
from .layers import LinearMap
from .rows import with_values


class Conditioning(nn.Module):
    """From latent vectors to the first states of the decoder's layers and, where it reads no steps, to its inputs.

    sizes: units of each decoder layer. fills: whether the vector makes the state of "all" layers or of the "first".
    has_map: whether a linear map makes the states. n_steps: of every sequence, for latent_as="steps".
    """

    def __init__(
        self,
        cell: Cell,
        sizes: Sequence[int],
        latent_size: int,
        *,
        latent_as: Literal["input", "state", "steps"] = "input",
        fills: str = "all",
        has_map: bool = True,
        n_steps: int | None = None,
    ) -> None:
        super().__init__()
        self._cell, self._sizes, self._n_steps, self._latent_as = cell, tuple(sizes), n_steps, latent_as
        self.input_size = {"input": latent_size, "steps": latent_size // (n_steps or 1), "state": 0}[latent_as]
        self._n_filled = {"all": len(sizes), "first": 1}[fills] if latent_as == "state" else 0
        state_size = sum(self._sizes[: self._n_filled]) * cell.n_states
        self.state_map = LinearMap(latent_size, state_size) if self._n_filled and has_map else None
        if self._n_filled and not has_map and state_size != latent_size:
            raise InvalidParameter(
                f"without a projection the vector is the decoder's first state: that has {state_size} values, but "
                f"latent_size is {latent_size}; make them equal or use projection=Linear()",
                parameter="latent_size",
            )

    def states(self, latent: Tensor) -> list[State] | None:
        """The state of each layer before the first step; None is zeros. latent: (n_sequences, latent_size)."""
        if not self._n_filled:
            return None
        values = latent if self.state_map is None else self.state_map(latent)
        parts = iter(
            values.split([size for size in self._sizes[: self._n_filled] for _ in range(self._cell.n_states)], 1)
        )
        filled = [tuple(next(parts) for _ in range(self._cell.n_states)) for _ in range(self._n_filled)]
        rest = self._sizes[self._n_filled :]
        return filled + [
            tuple(latent.new_zeros(len(latent), size) for _ in range(self._cell.n_states)) for size in rest
        ]

    def inputs(self, latent: Tensor, lengths: np.ndarray) -> Ragged | Constant:
        """What the first layer reads where it reads no steps of the sequence."""
        if self._latent_as == "steps":
            return self._steps(latent, lengths)
        return Constant(latent if self._latent_as == "input" else latent[:, :0], lengths)

    def _steps(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        is_other = lengths != self._n_steps
        if is_other.any():
            i = int(np.argmax(is_other))
            raise InvalidSequence(
                f"this architecture writes sequences of exactly {self._n_steps} steps, as fit() saw, "
                f"but one of {lengths[i]} is asked for; use architecture='repeat' for any length"
            )
        return back_to_back(latent.reshape(-1, self.input_size), lengths)


class Attention(nn.Module):
    """Luong et al. 2015 (1508.04025): global, dot scores.   c(t) = sum over s of softmax_s(m(s) . Q d(t)) m(s)."""

    def __init__(self, hidden_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = LinearMap(hidden_size, memory_size)

    def forward(self, hidden: Ragged, memory: Ragged) -> Tensor:
        """hidden: decoder outputs; memory: values (n_memory_steps, memory_size), both back to back.

        Returns the contexts, (n_steps, memory_size), each from its own sequence.
        """
        return attend(with_values(hidden, self.query(hidden.values)), memory)


def taught(
    feedback: Feedback,
    target: Ragged,
    draw: Draw | None,
    read: Callable[[Ragged], Ragged],
    step_of: Callable[[Ragged], Ragged],
) -> Ragged:
    """Outputs of a decoder that reads the step before each: the true one, or with scheduled sampling perhaps its own.

    The own ones are those of a first pass (Duckworth et al. 2019), with a probability that rises to 1. target: back to
    back; read: outputs of the decoder that reads the steps before those given; step_of: what outputs say of each step.
    """
    outputs = read(target)
    if draw is None or not feedback.is_scheduled:
        return outputs
    own = step_of(outputs).values
    shape = (len(own),) + (1,) * (own.ndim - 1)
    is_true = draw.kept(shape, draw.progress, outputs.values) > 0
    return read(with_values(target, torch.where(is_true, target.values, own)))
