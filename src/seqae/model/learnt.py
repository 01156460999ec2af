"""What closed forms learn, kept in a module: NumPy arrays whose sizes only the data decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter
from ..features.chunks import Sequences, as_arrays
from ..features.ngrams import NGrams, fit_ngrams
from ..sequences.ragged import Ragged
from ..storage.vetting import Arrays
from .layers import Layer, modules_of

T = TypeVar("T")
SEPARATOR = ":"  # torch takes no dot in the name of a buffer


class Learnt(nn.Module, Generic[T]):
    """A value as buffers: none until it is learnt, or a state is loaded, whose sizes they then have.

    make: the value from its arrays by name, which may be of any size; it raises an error for those it cannot use.
    """

    def __init__(self, make: Callable[[Arrays], T]) -> None:
        super().__init__()
        self._make = make
        self._value: T | None = None

    @property
    def value(self) -> T:
        """What was learnt. Raises InvalidParameter before anything was."""
        if self._value is None:
            if not self._buffers:
                raise InvalidParameter("this model has not learnt its closed form; call fit() of its estimator")
            buffers = self.named_buffers(recurse=False)
            held = {name.replace(SEPARATOR, "."): buffer.detach().cpu().numpy() for name, buffer in buffers}
            self._value = self._make(Arrays(held))
        return self._value

    def check(self) -> None:
        """Raise an error unless the arrays make a value."""
        self._value = self.value

    def learn(self, value: T, arrays: Mapping[str, np.ndarray]) -> None:
        """Hold this value, and the arrays that it is made of, in place of what was held."""
        self._buffers.clear()
        for name, array in arrays.items():
            self.register_buffer(name.replace(".", SEPARATOR), torch.from_numpy(np.ascontiguousarray(array)))
        self._value = value

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Stay on the CPU, in the precision that was learnt: closed forms are computed there."""
        return self

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self._value = None
        self._buffers.clear()
        for name, tensor in state_dict.items():
            if name.startswith(prefix):
                self.register_buffer(name.removeprefix(prefix), torch.empty_like(tensor, device="meta"))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class Seed(Layer):
    """What a closed form draws by: part of what the seed of all parameters decides."""

    def __init__(self) -> None:
        super().__init__()
        self.value = 0

    def initialise(self, generator: torch.Generator) -> None:
        """Draw it."""
        self.value = int(torch.randint(2**31, (1,), generator=generator))


class NGramValues(nn.Module):
    """Values that describe tokens, learnt before training; see seqae.features.ngrams."""

    def __init__(self, n_values: int) -> None:
        super().__init__()
        self.n_values = n_values
        self.seed, self.closed_form = Seed(), Learnt(partial(NGrams.from_arrays, n_values=n_values))

    def forward(self, sequences: Ragged) -> Tensor:
        """Returns (n_sequences, n_values) float32, on the CPU."""
        return torch.from_numpy(self.closed_form.value.of(as_arrays(sequences)))

    def fit(self, sequences: Sequences) -> None:
        """Learn them from the training sequences."""
        learnt = fit_ngrams(sequences, self.n_values, seed=self.seed.value)
        self.closed_form.learn(learnt, learnt.to_arrays())


def learnt_in(module: nn.Module) -> dict[str, Learnt[Any]]:
    """What closed forms have learnt in a module, by the prefix of its buffers' names."""
    return {f"{name}.": child for name, child in modules_of(module, Learnt)}
