"""The layers of a chain as modules, and the data between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InvalidParameter, InvalidSequence
from ...recurrence import Cell, Constant, State
from ...sequences.ragged import Ragged, back_to_back, owners_of, starts_of
from ..layers import Draw, Embedding, LinearMap, RecurrentLayer
from ..rows import in_reverse
from .plan import ChainLayer

_ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": functional.softplus,
    "gelu": functional.gelu,
    "silu": functional.silu,
}


@dataclass(frozen=True, slots=True)
class Flow:
    """The data between two layers.

    form: "steps", back to back, values (n_steps, size) or tokens (n_steps,); "vector", one for each sequence, values
        (n_sequences, size); or "repeated", the vector at every step of its sequence.
    lengths: (n_sequences,), also of steps not yet written. draw: of a training update, None in evaluation.
    """

    values: Tensor
    lengths: np.ndarray
    form: Literal["steps", "vector", "repeated"]
    draw: Draw | None = None

    def of_steps(self, steps: Ragged) -> Flow:
        """The same flow with other steps, back to back."""
        return Flow(steps.values, steps.lengths, "steps", self.draw)

    def steps(self) -> Ragged:
        """The steps; a repeated vector is copied to each step of its sequence."""
        values = self.values[owners_of(self.lengths)] if self.form == "repeated" else self.values
        return Ragged.view(values, starts_of(self.lengths), self.lengths)

    def inputs(self) -> Ragged | Constant:
        """The flow as input of a recurrent layer."""
        return Constant(self.values, self.lengths) if self.form == "repeated" else self.steps()


@dataclass(frozen=True, slots=True)
class Handover:
    """States that are passed from encoder to decoder layers; the vector is their concatenation.

    sources: places in the encoder, in the order of the vector; sizes: of the tensors of each state.
    takers: for places in the decoder, the number of the source that it starts from.
    """

    sources: tuple[int, ...]
    sizes: tuple[tuple[int, ...], ...]
    takers: Mapping[int, int]

    @property
    def latent_size(self) -> int:
        """Values of all states together."""
        return sum(map(sum, self.sizes))

    def join(self, states: Mapping[int, State]) -> Tensor:
        """The vectors. states: by place in the encoder. Returns (n_sequences, latent_size)."""
        return torch.cat([part for source in self.sources for part in states[source]], dim=1)

    def split(self, latent: Tensor) -> dict[int, State]:
        """The first states, by place in the decoder."""
        parts = iter(latent.split([size for sizes in self.sizes for size in sizes], dim=1))
        states = [tuple(next(parts) for _ in sizes) for sizes in self.sizes]
        return {taker: states[source] for taker, source in self.takers.items()}

    def hidden_of(self, latent: Tensor, source: int) -> Tensor:
        """The hidden state of one encoder layer."""
        k = self.sources.index(source)
        first = sum(map(sum, self.sizes[:k]))
        return latent[:, first : first + self.sizes[k][0]]


class Link(nn.Module, ABC):
    """One layer. output_size: values of its output."""

    output_size: int

    @abstractmethod
    def forward(self, flow: Flow) -> Flow:
        """Raises InvalidParameter for a flow that it cannot read."""


class RecurrentLink(Link):
    """An LSTM or GRU layer in one or both directions; its output is all outputs or the last hidden state."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        reverses = {"forward": (False,), "backward": (True,), "both": (False, True)}[spec.direction]
        self.cell = Cell(spec.kind, spec.activation)  # pyright: ignore[reportArgumentType]
        self._spec = spec
        self.directions = nn.ModuleList(
            RecurrentLayer(self.cell, input_size, spec.size, reverse=reverse, n_biases=spec.n_biases)
            for reverse in reverses
        )
        self.output_size = spec.output_size
        self.state_sizes = (spec.size * len(reverses),) * self.cell.n_states

    def forward(self, flow: Flow) -> Flow:
        """Outputs, or the last hidden state."""
        return self.run(flow, None)[0]

    def run(self, flow: Flow, state: State | None) -> tuple[Flow, State]:
        """The same from a given state, and the last state, with both directions concatenated."""
        if flow.form == "vector":
            raise InvalidParameter(f"the chain's {self._spec.kind} layer must read steps, but reads one vector")
        inputs = flow.inputs()
        if not self._spec.returns_steps:
            states = [direction.final_state(inputs, state) for direction in self.layers]
            merged = self._merged([state[0] for state in states])
            return replace(flow, values=merged, form="vector"), _side_by_side(states)
        results = [direction(inputs, state) for direction in self.layers]
        outputs, states = [outputs for outputs, _ in results], [state for _, state in results]
        if self._spec.direction == "backward":  # in the order in which it was read
            return flow.of_steps(in_reverse(outputs[0])), states[0]
        merged = self._merged([part.values for part in outputs])
        return replace(flow, values=merged, form="steps"), _side_by_side(states)

    def _merged(self, parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        ahead, back = parts
        merged = {"sum": ahead + back, "mul": ahead * back, "ave": (ahead + back) / 2}
        return torch.cat(parts, dim=1) if self._spec.merge == "concat" else merged[self._spec.merge]

    @property
    def layers(self) -> list[RecurrentLayer]:
        """One for each direction."""
        return list(self.directions)  # pyright: ignore[reportReturnType]


class DenseLink(Link):
    """y = activation(W x + b), of vectors or of each step."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self.map = LinearMap(input_size, spec.size, has_bias=spec.n_biases > 0)
        self._activate = _ACTIVATIONS[spec.activation]
        self.output_size = spec.size

    def forward(self, flow: Flow) -> Flow:
        """The same form of flow."""
        return replace(flow, values=self._activate(self.map(flow.values)))


class EmbeddingLink(Link):
    """A vector for each token."""

    def __init__(self, spec: ChainLayer, n_symbols: int) -> None:
        super().__init__()
        self.embedding = Embedding(n_symbols, spec.size)
        self.output_size = spec.size

    def forward(self, flow: Flow) -> Flow:
        """flow: tokens."""
        if flow.form != "steps" or flow.values.ndim != 1:
            raise InvalidParameter("the chain's embedding layer must read tokens; let it be the first")
        return flow.of_steps(self.embedding(flow.steps()))


class DropoutLink(Link):
    """In training, values zeroed at random."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._rate, self.output_size = spec.rate, input_size

    def forward(self, flow: Flow) -> Flow:
        """The same form of flow."""
        if flow.draw is None or self._rate == 0:
            return flow
        return replace(flow, values=flow.draw.dropout(flow.values, self._rate))


class MaskLink(Link):
    """Removes steps whose values all equal `value`."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._value, self.output_size = spec.value, input_size

    def forward(self, flow: Flow) -> Flow:
        """flow: steps or tokens. A sequence may lose all of its steps."""
        if flow.form != "steps":
            raise InvalidParameter("the chain's mask layer must read steps")
        differs = flow.values != self._value
        is_kept = (differs if differs.ndim == 1 else differs.any(dim=1)).cpu().numpy()
        if is_kept.all():
            return flow
        counts = np.bincount(owners_of(flow.lengths)[is_kept], minlength=len(flow.lengths)).astype(np.int64)
        return flow.of_steps(back_to_back(flow.values[is_kept], counts))


class RepeatLink(Link):
    """The vector at every step of its sequence."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, flow: Flow) -> Flow:
        """flow: vectors; steps are unchanged."""
        return replace(flow, form="repeated") if flow.form == "vector" else flow


class ReshapeLink(Link):
    """The vector cut into steps, for sequences of one length."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._n_steps, self.output_size = spec.shape or (1, input_size)
        if self._n_steps * self.output_size != input_size:
            raise InvalidParameter(f"the chain reshapes {input_size} values to {spec.shape}, which does not fit")

    def forward(self, flow: Flow) -> Flow:
        """flow: vectors."""
        if flow.form != "vector":
            raise InvalidParameter("the chain's reshape layer needs one vector per sequence, but reads steps")
        _check_lengths(flow.lengths, self._n_steps)
        return replace(flow, values=flow.values.reshape(-1, self.output_size), form="steps")


class FlattenLink(Link):
    """All steps as one vector, for sequences of one length."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._n_steps, width = spec.shape or (1, input_size)
        self.output_size = self._n_steps * input_size
        if width != input_size:
            raise InvalidParameter(f"the chain flattens steps of {input_size} values as {spec.shape}")

    def forward(self, flow: Flow) -> Flow:
        """flow: steps."""
        if flow.form == "vector":
            raise InvalidParameter("the chain's flatten layer must read steps, but reads one vector")
        _check_lengths(flow.lengths, self._n_steps)
        values = flow.steps().values.reshape(len(flow.lengths), self.output_size)
        return replace(flow, values=values, form="vector")


class Chain(nn.ModuleList):
    """Links one after the other.

    recurrent: recurrent links by their place; dense, embeddings: such links in order.
    """

    def __init__(self, specs: Sequence[ChainLayer], input_size: int, n_symbols: int | None = None) -> None:
        super().__init__()
        self.recurrent: dict[int, RecurrentLink] = {}
        self.dense: list[DenseLink] = []
        self.embeddings: list[EmbeddingLink] = []
        self.output_size = input_size
        for k, spec in enumerate(specs):
            self.append(self._link(k, spec, n_symbols))

    def run(self, flow: Flow, states: Mapping[int, State]) -> tuple[Flow, dict[int, State]]:
        """The flow after all links. states: before the first step, by place; zeros for the others.

        Returns the last states as well, by place.
        """
        last: dict[int, State] = {}
        for k, link in enumerate(self):
            if k in self.recurrent:
                flow, last[k] = self.recurrent[k].run(flow, states.get(k))
            else:
                flow = link(flow)
        return flow, last

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [link.layers for link in self.recurrent.values()]

    def _link(self, k: int, spec: ChainLayer, n_symbols: int | None) -> Link:
        if spec.is_recurrent:
            link = self.recurrent[k] = RecurrentLink(spec, self.output_size)
        elif spec.kind == "dense":
            link = DenseLink(spec, self.output_size)
            self.dense.append(link)
        elif spec.kind == "embedding" and n_symbols is not None:
            link = EmbeddingLink(spec, n_symbols)
            self.embeddings.append(link)
        elif spec.kind in _LINKS:
            link = _LINKS[spec.kind](spec, self.output_size)
        else:
            raise InvalidParameter(f"a {spec.kind!r} layer cannot stand here in the chain")
        self.output_size = link.output_size
        return link


_LINKS: Mapping[str, Callable[[ChainLayer, int], Link]] = {
    "dropout": DropoutLink,
    "mask": MaskLink,
    "flatten": FlattenLink,
    "repeat": RepeatLink,
    "reshape": ReshapeLink,
}


def _check_lengths(lengths: np.ndarray, n_steps: int) -> None:
    is_other = lengths != n_steps
    if is_other.any():
        raise InvalidSequence(
            f"this model takes sequences of exactly {n_steps} steps, got {lengths[is_other][0]}; "
            "a model with a 'repeat' layer takes any length"
        )


def _side_by_side(states: Sequence[State]) -> State:
    if len(states) == 1:
        return states[0]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
