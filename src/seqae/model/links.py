"""The layers of a chain as modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import Cell, Constant, State
from ..sequences.ragged import Ragged, back_to_back
from .architecture import ChainLayer
from .draw import Draw
from .layer import LinearMap, RecurrentLayer
from .rows import in_reverse, owners, with_values
from .stack import dropped_out
from .symbols import Embedding

Flow = Ragged | Constant | Tensor
"""What passes from layer to layer: steps, one vector for all steps of a sequence, or vectors (n_sequences, size)."""

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


class RecurrentLink(nn.Module):
    """An LSTM or GRU layer in one or both directions that gives its outputs or its last hidden state."""

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

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """Ragged outputs, or vectors (n_sequences, output_size)."""
        return self.run(flow, None)[0]

    def run(self, flow: Flow, state: State | None) -> tuple[Flow, State]:
        """The same, from a given state, and the last state, both directions side by side."""
        if isinstance(flow, Tensor):
            raise InvalidParameter(f"the chain's {self._spec.kind} layer must read steps, but reads one vector")
        if not self._spec.returns_steps:
            states = [direction.final_state(flow, state) for direction in self.layers]
            return self._merged([state[0] for state in states]), _side_by_side(states)
        results = [direction(flow, state) for direction in self.layers]
        outputs, states = [outputs for outputs, _ in results], [state for _, state in results]
        if self._spec.direction == "backward":  # in the order in which it was read
            return in_reverse(outputs[0]), states[0]
        return with_values(outputs[0], self._merged([part.values for part in outputs])), _side_by_side(states)

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


class DenseLink(nn.Module):
    """y = activation(W x + b), of vectors or of each step."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self.map = LinearMap(input_size, spec.size, has_bias=spec.n_biases > 0)
        self._activate = _ACTIVATIONS[spec.activation]
        self.output_size = spec.size

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """The same kind of flow."""
        return _mapped(flow, lambda x: self._activate(self.map(x)))


class EmbeddingLink(nn.Module):
    """A vector for each token."""

    def __init__(self, spec: ChainLayer, n_symbols: int) -> None:
        super().__init__()
        self.embedding = Embedding(n_symbols, spec.size)
        self.output_size = spec.size

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """flow: tokens."""
        if not isinstance(flow, Ragged) or not flow.is_tokens:
            raise InvalidParameter("the chain's embedding layer must read tokens; let it be the first")
        return self.embedding(flow)


class DropoutLink(nn.Module):
    """In training, values zeroed at random."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._rate, self.output_size = spec.rate, input_size

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """The same kind of flow."""
        if draw is None or self._rate == 0:
            return flow
        if isinstance(flow, Ragged):
            return dropped_out(flow, self._rate, draw)
        return _mapped(flow, lambda x: draw.dropout(x, self._rate))


class MaskLink(nn.Module):
    """The steps that say something: those whose values are not all `value`."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._value, self.output_size = spec.value, input_size

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """flow: steps or tokens. A sequence may be left without any."""
        if not isinstance(flow, Ragged):
            raise InvalidParameter("the chain's mask layer must read steps")
        differs = flow.values != self._value
        is_kept = (differs if flow.is_tokens else differs.any(dim=1)).cpu().numpy()
        rows = flow.step_indices()
        counts = np.bincount(owners(flow.lengths)[is_kept[rows]], minlength=len(flow)).astype(np.int64)
        return flow if is_kept.all() else back_to_back(flow.values[rows[is_kept[rows]]], counts)


class RepeatLink(nn.Module):
    """The vector at every step of its sequence."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """flow: vectors."""
        return Constant(flow, lengths) if isinstance(flow, Tensor) else flow


class ReshapeLink(nn.Module):
    """The vector cut into steps, for sequences of one length."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._n_steps, self.output_size = spec.shape or (1, input_size)
        if self._n_steps * self.output_size != input_size:
            raise InvalidParameter(f"the chain reshapes {input_size} values to {spec.shape}, which does not fit")

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """flow: vectors."""
        if not isinstance(flow, Tensor):
            raise InvalidParameter("the chain's reshape layer needs one vector per sequence, but reads steps")
        _check_lengths(lengths, self._n_steps)
        return back_to_back(flow.reshape(-1, self.output_size), lengths)


class FlattenLink(nn.Module):
    """All steps as one vector, for sequences of one length."""

    def __init__(self, spec: ChainLayer, input_size: int) -> None:
        super().__init__()
        self._n_steps, width = spec.shape or (1, input_size)
        self.output_size = self._n_steps * input_size
        if width != input_size:
            raise InvalidParameter(f"the chain flattens steps of {input_size} values as {spec.shape}")

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """flow: steps."""
        if isinstance(flow, Constant):
            flow = spread(flow)
        if isinstance(flow, Tensor):
            raise InvalidParameter("the chain's flatten layer must read steps, but reads one vector")
        _check_lengths(flow.lengths, self._n_steps)
        return flow.compact().values.reshape(len(flow), self.output_size)


_LINKS = {
    "lstm": RecurrentLink,
    "gru": RecurrentLink,
    "dense": DenseLink,
    "dropout": DropoutLink,
    "mask": MaskLink,
    "flatten": FlattenLink,
    "repeat": RepeatLink,
    "reshape": ReshapeLink,
}


def links(specs: Sequence[ChainLayer], input_size: int, n_symbols: int | None) -> tuple[nn.ModuleList, int]:
    """The layers as modules, and the size of what the last one gives."""
    modules = nn.ModuleList()
    for spec in specs:
        if spec.kind == "embedding" and n_symbols is not None:
            module = EmbeddingLink(spec, n_symbols)
        elif spec.kind in _LINKS:
            module = _LINKS[spec.kind](spec, input_size)
        else:
            raise InvalidParameter(f"a {spec.kind!r} layer cannot stand here in the chain")
        modules.append(module)
        input_size = module.output_size
    return modules, input_size


def spread(flow: Constant) -> Ragged:
    """The vector of each sequence, written at each of its steps."""
    return back_to_back(flow.vectors[owners(flow.lengths)], flow.lengths)


def _mapped(flow: Flow, function: Callable[[Tensor], Tensor]) -> Flow:
    """The function of each vector, whatever holds them."""
    if isinstance(flow, Ragged):
        return with_values(flow, function(flow.values))
    if isinstance(flow, Constant):
        return Constant(function(flow.vectors), flow.lengths)
    return function(flow)


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
