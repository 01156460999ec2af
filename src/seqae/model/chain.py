"""Explicit layers, one after the other, as other libraries' models have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter
from ..recurrence import Constant, State
from ..sequences.ragged import Ragged
from .architecture import ChainLayer
from .draw import Draw
from .interface import Code, Encoder, ValueDecoder
from .layer import RecurrentLayer
from .links import Flow, RecurrentLink, links, spread


@dataclass(frozen=True, slots=True)
class Handover:
    """States that are handed from encoder to decoder layers; the vector is these, one after the other.

    sources: places in the encoder, in the order of the vector; sizes: of the tensors of each one's state.
    takers: for places in the decoder, which of the sources it starts from.
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


class ChainEncoder(Encoder):
    """The layers up to the one vector per sequence. sources: places of layers whose states make the vector instead."""

    def __init__(
        self, specs: Sequence[ChainLayer], n_channels: int, n_symbols: int | None, sources: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.links, self.output_size = links(specs, n_channels, n_symbols)
        for source in sources:
            if source >= len(specs) or not specs[source].is_recurrent:
                raise InvalidParameter(f"starts_from={source} is not the place of a recurrent layer of the encoder")
        modules: list[RecurrentLink] = [self.links[source] for source in sources]  # pyright: ignore[reportAssignmentType]
        self.handover = Handover(tuple(sources), tuple(module.state_sizes for module in modules), {})

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return recurrent_layers_of(self.links)

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode."""
        flow: Flow = sequences
        states: dict[int, State] = {}
        for k, link in enumerate(self.links):
            if isinstance(link, RecurrentLink) and k in self.handover.sources:
                flow, states[k] = link.run(flow, None)
            else:
                flow = link(flow, sequences.lengths, draw)
        if states:
            return Code(self.handover.join(states))
        if not isinstance(flow, Tensor):
            raise InvalidParameter("the chain's encoder must end in one vector per sequence")
        return Code(flow)


def recurrent_layers_of(modules: nn.ModuleList) -> list[list[RecurrentLayer]]:
    """Those among the links."""
    return [link.layers for link in modules if isinstance(link, RecurrentLink)]


class ChainDecoder(ValueDecoder):
    """The layers from the vector on.

    handover: states among the layers; repeated: the encoder layer whose hidden state the first one then reads.
    """

    def __init__(
        self,
        specs: Sequence[ChainLayer],
        input_size: int,
        *,
        handover: Handover | None = None,
        repeated: int = 0,
    ) -> None:
        super().__init__()
        self._handover, self._repeated = handover, repeated
        self.links, self.n_channels = links(specs, input_size, None)

    def forward(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.forward."""
        return self._through(latent, lengths, None)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return recurrent_layers_of(self.links)

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See Decoder.taught."""
        return self._through(latent, target.lengths, draw)

    def _through(self, latent: Tensor, lengths: np.ndarray, draw: Draw | None) -> Ragged:
        if self._handover is None:
            flow, states = latent, {}
        else:
            flow, states = self._handover.hidden_of(latent, self._repeated), self._handover.split(latent)
        flow = through(list(self.links), flow, states, lengths, draw)
        if isinstance(flow, Constant):
            flow = spread(flow)
        if not isinstance(flow, Ragged):
            raise InvalidParameter("the chain's decoder must end in steps")
        return flow


def through(
    modules: Sequence[torch.nn.Module],
    flow: Flow,
    states: Mapping[int, State],
    lengths: np.ndarray,
    draw: Draw | None,
) -> Flow:
    """What the modules make of the flow. states: before the first step, by place; zeros for the others."""
    for k, link in enumerate(modules):
        if isinstance(link, RecurrentLink) and k in states:
            flow, _ = link.run(flow, states[k])
        else:
            flow = link(flow, lengths, draw)
    return flow
