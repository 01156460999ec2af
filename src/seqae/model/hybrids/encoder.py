"""Sequences to vectors in closed form."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ...features.closed_form import ClosedEncoder, fit_closed_encoder
from ...sequences.ragged import Ragged
from ..interface import Code, Encoder, LengthCode, TrainingData
from ..layers import Draw, Layer, RecurrentLayer
from .arrays import Learnt
from .memory import Memory


class Seed(Layer):
    """What a closed form draws by: part of what the seed of all parameters decides."""

    def __init__(self) -> None:
        super().__init__()
        self.value = 0

    def initialise(self, generator: torch.Generator) -> None:
        """Draw it."""
        self.value = int(torch.randint(2**31, (1,), generator=generator))


class ClosedFormEncoder(Encoder):
    """Basis, description and length; see seqae.features.closed_form. Nothing of it is trained."""

    is_closed_form = True
    length_code: LengthCode | None = None

    def __init__(self, latent_size: int, n_decoding: int, *, n_channels: int) -> None:
        super().__init__()
        make = partial(ClosedEncoder.from_arrays, latent_size=latent_size, n_channels=n_channels)
        self.seed, self.closed_form = Seed(), Learnt(make)
        self.latent_size, self._n_decoding = latent_size, n_decoding
        self._memory = Memory(latent_size)

    def encode(self, sequences: Ragged, draw: Draw | None = None) -> Code:
        """See Encoder.encode. In training, vectors of sequences that came before are remembered."""
        encode = self.closed_form.value.encode
        vectors = encode(sequences) if draw is None else self._memory.recall(sequences, encode)
        return Code(torch.from_numpy(vectors).to(sequences.values))

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return []

    @property
    def length_direction(self) -> Tensor | None:
        """See Encoder.length_direction."""
        return torch.from_numpy(self.closed_form.value.length_direction).float()

    def fit_closed_form(self, data: TrainingData) -> None:
        """See Part.fit_closed_form."""
        size, n = self.latent_size, self._n_decoding
        learnt = fit_closed_encoder(data.sequences, size, n_decoding=n, seed=self.seed.value)
        self.closed_form.learn(learnt, learnt.to_arrays())
        self._memory.forget()
