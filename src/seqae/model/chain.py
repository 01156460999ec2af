"""Explicit layers, one after the other, as other libraries' models have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..composition import ChainLayer
from ..errors import InvalidParameter, InvalidSequence
from ..ragged import Ragged, starts_of
from ..recurrence import Cell, Constant
from .draw import Draw
from .interface import Code, Decoder, Encoder
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
        cell = Cell(spec.kind, spec.activation)  # pyright: ignore[reportArgumentType]
        self._spec = spec
        self.directions = nn.ModuleList(
            RecurrentLayer(cell, input_size, spec.size, reverse=reverse, n_biases=spec.n_biases) for reverse in reverses
        )
        self.output_size = spec.size * (2 if spec.direction == "both" and spec.merge == "concat" else 1)

    def forward(self, flow: Flow, lengths: np.ndarray, draw: Draw | None) -> Flow:
        """Ragged outputs, or vectors (n_sequences, output_size)."""
        if isinstance(flow, Tensor):
            raise InvalidParameter(f"the chain's {self._spec.kind} layer must read steps, but reads one vector")
        if not self._spec.returns_steps:
            return self._merged([direction.final_state(flow)[0] for direction in self._layers])
        outputs = [direction(flow)[0] for direction in self._layers]
        if self._spec.direction == "backward":  # in the order in which it was read
            return in_reverse(outputs[0])
        return with_values(outputs[0], self._merged([part.values for part in outputs]))

    def _merged(self, parts: list[Tensor]) -> Tensor:
        if len(parts) == 1:
            return parts[0]
        ahead, back = parts
        merged = {"sum": ahead + back, "mul": ahead * back, "ave": (ahead + back) / 2}
        return torch.cat(parts, dim=1) if self._spec.merge == "concat" else merged[self._spec.merge]

    @property
    def _layers(self) -> list[RecurrentLayer]:
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
        if (lengths != self._n_steps).any():
            raise InvalidSequence(f"this model takes sequences of exactly {self._n_steps} steps, got {lengths[0]}")
        return Ragged.view(flow.reshape(-1, self.output_size), starts_of(lengths), lengths)


_LINKS = {
    "lstm": RecurrentLink,
    "gru": RecurrentLink,
    "dense": DenseLink,
    "dropout": DropoutLink,
    "repeat": RepeatLink,
    "reshape": ReshapeLink,
}


def links(specs: Sequence[ChainLayer], input_size: int) -> tuple[nn.ModuleList, int]:
    """The layers as modules, and the size of what the last one gives."""
    modules = nn.ModuleList()
    for spec in specs:
        module = _LINKS[spec.kind](spec, input_size)
        modules.append(module)
        input_size = module.output_size
    return modules, input_size


class ChainEncoder(Encoder):
    """The layers up to the one vector per sequence. embedding: of tokens, None for vectors."""

    def __init__(self, specs: Sequence[ChainLayer], n_channels: int, embedding: Embedding | None) -> None:
        super().__init__()
        self.embedding = embedding
        input_size = n_channels if embedding is None else int(embedding.weight.shape[1])
        self.links, self.output_size = links(specs, input_size)

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode."""
        flow: Flow = sequences if self.embedding is None else self.embedding(sequences)
        for link in self.links:
            flow = link(flow, sequences.lengths, draw)
        if not isinstance(flow, Tensor):
            raise InvalidParameter("the chain's encoder must end in one vector per sequence")
        return Code(flow)


class ChainDecoder(Decoder):
    """The layers from the vector on."""

    def __init__(self, specs: Sequence[ChainLayer], latent_size: int) -> None:
        super().__init__()
        self.links, self.n_channels = links(specs, latent_size)

    def forward(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.forward."""
        return self._through(latent, lengths, None)

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See Decoder.taught."""
        return self._through(latent, target.lengths, draw)

    def _through(self, latent: Tensor, lengths: np.ndarray, draw: Draw | None) -> Ragged:
        flow: Flow = latent
        for link in self.links:
            flow = link(flow, lengths, draw)
        if isinstance(flow, Constant):
            flow = Ragged.view(flow.vectors[owners(lengths)], starts_of(lengths), lengths)
        if not isinstance(flow, Ragged):
            raise InvalidParameter("the chain's decoder must end in steps")
        return flow


def _mapped(flow: Flow, function: Callable[[Tensor], Tensor]) -> Flow:
    """The function of each vector, whatever holds them."""
    if isinstance(flow, Ragged):
        return with_values(flow, function(flow.values))
    if isinstance(flow, Constant):
        return Constant(function(flow.vectors), flow.lengths)
    return function(flow)
