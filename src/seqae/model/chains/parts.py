"""Encoder and decoder as chains of explicit layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ...errors import InvalidParameter
from ...sequences.ragged import Ragged
from ..interface import Code, Encoder, TrainingData, ValueDecoder
from ..layers import Draw, RecurrentLayer
from .links import Chain, Flow, Handover
from .plan import ChainLayer


class ChainEncoder(Encoder):
    """The layers up to the vector. sources: places of layers whose states are the vector instead."""

    def __init__(
        self, specs: Sequence[ChainLayer], n_channels: int, n_symbols: int | None, sources: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.links, self.n_symbols, self.length_code = Chain(specs, n_channels, n_symbols), n_symbols, None
        for source in sources:
            if source not in self.links.recurrent:
                raise InvalidParameter(f"starts_from={source} is not the place of a recurrent layer of the encoder")
        sizes = tuple(self.links.recurrent[source].state_sizes for source in sources)
        self.handover = Handover(tuple(sources), sizes, {})

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode."""
        flow, states = self.links.run(Flow(sequences.values, sequences.lengths, "steps", draw), {})
        if self.handover.sources:
            return Code(self.handover.join(states))
        if flow.form != "vector":
            raise InvalidParameter("the chain's encoder must end in one vector per sequence")
        return Code(flow.values)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return self.links.recurrent_layers

    def fit_closed_form(self, data: TrainingData) -> None:
        """Nothing; see Part.fit_closed_form."""


class ChainDecoder(ValueDecoder):
    """The layers after the vector.

    handover: of states to the layers; repeated: the encoder layer whose hidden state the first layer then reads.
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
        self.links = Chain(specs, input_size)
        self.n_channels = self.links.output_size

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.decode."""
        return self._through(latent, lengths, None)

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See ValueDecoder.taught."""
        return self._through(latent, target.lengths, draw)

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return self.links.recurrent_layers

    def fit_closed_form(self, data: TrainingData) -> None:
        """Nothing; see Part.fit_closed_form."""

    def _through(self, latent: Tensor, lengths: np.ndarray, draw: Draw | None) -> Ragged:
        if self._handover is None:
            vectors, states = latent, {}
        else:
            vectors, states = self._handover.hidden_of(latent, self._repeated), self._handover.split(latent)
        flow, _ = self.links.run(Flow(vectors, lengths, "vector", draw), states)
        if flow.form == "vector":
            raise InvalidParameter("the chain's decoder must end in steps")
        return flow.steps()
