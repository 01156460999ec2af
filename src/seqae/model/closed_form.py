"""Vectors in closed form, curves in closed form, and recurrent layers for what the curves leave over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidParameter
from ..features.chunks import as_arrays
from ..features.closed_form import ClosedDecoder, ClosedEncoder, fit_closed_decoder, fit_closed_encoder
from ..recurrence import Cell
from ..sequences.ragged import Ragged, owners_of, step_numbers_of
from .autoencoder import Autoencoder, Objective
from .hybrid import Hybrid, Residual
from .interface import Code, Encoder, LengthCode, LengthHead, TrainingData, ValueDecoder
from .layers import (
    Draw,
    LinearMap,
    RecurrentLayer,
    bidirectional_layers,
    directions_of,
    dropped_out,
    outputs_and_states,
)
from .learnt import Learnt, Seed
from .plans import HIDDEN_SIZE, N_LAYERS, DataShape
from .rows import with_values

FEWEST_VALUES = 3
MOST_VALUES = 1 << 24  # of vectors remembered, 64 MiB; what comes later is computed anew


class Memory:
    """Vectors by what their sequences hold: each epoch encodes the same ones, and the encoder does not change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: dict[bytes, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        """Without what can be computed again."""
        return {"_size": self._size, "_vectors": {}}

    def forget(self) -> None:
        """Because what encodes has changed."""
        self._vectors.clear()

    def recall(self, sequences: Ragged, encode: Callable[[Ragged], np.ndarray]) -> np.ndarray:
        """What encode() gives, without calling it for sequences that came before. Returns (n, size) float32."""
        sequences = as_arrays(sequences)
        keys = [_digest(sequences, i) for i in range(len(sequences))]
        known = [self._vectors.get(key) for key in keys]
        new = np.array([i for i, vector in enumerate(known) if vector is None], np.int64)
        vectors = np.empty((len(sequences), self._size), np.float32)
        if len(new):
            vectors[new] = encode(sequences[new])
        for i, vector in enumerate(known):
            if vector is not None:
                vectors[i] = vector
            elif len(self._vectors) * self._size < MOST_VALUES:
                self._vectors[keys[i]] = vectors[i].copy()
        return vectors


def _digest(sequences: Ragged, i: int) -> bytes:
    """Of values, and of which were observed."""
    rows = slice(sequences.starts[i], sequences.starts[i] + sequences.lengths[i])
    digest = blake2b(sequences.values[rows].tobytes(), digest_size=16)
    if sequences.observed is not None:
        digest.update(sequences.observed[rows].tobytes())
    return digest.digest()


class ClosedFormEncoder(Encoder):
    """Basis, description and length; see seqae.features.closed_form. Nothing of it is trained."""

    is_closed_form = True
    length_code: LengthCode | None = None

    def __init__(self, latent_size: int, n_decoding: int | None, *, n_channels: int) -> None:
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
    def n_decoding(self) -> int:
        """See Encoder.n_decoding."""
        return self.closed_form.value.basis.n_components

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


class Correction(nn.Module):
    """Recurrent layers over [P vector; time; curve] at every step, and a readout of what the curve leaves over.

    projection: P; layers: see bidirectional_layers(); head: from their outputs to a step. n_waves: see time_code().
    dropout: of all that is read, in training.
    """

    def __init__(
        self, projection: LinearMap, layers: nn.ModuleList, head: LinearMap, *, n_waves: int, dropout: float
    ) -> None:
        super().__init__()
        self.projection, self.layers, self.head = projection, layers, head
        self.n_waves, self._dropout = n_waves, dropout

    def forward(self, latent: Tensor, curve: Ragged, draw: Draw | None = None) -> Ragged:
        """The curve and what is added to it. curve: back to back; draw: of a training update."""
        vectors = self.projection(latent)[torch.from_numpy(owners_of(curve.lengths)).to(latent.device)]
        time = torch.from_numpy(time_code(curve.lengths, self.n_waves)).to(latent)
        read = with_values(curve, torch.cat([vectors, time, curve.values], dim=1))
        inputs = dropped_out(read, self._dropout, draw)
        outputs, _ = outputs_and_states(directions_of(self.layers), inputs, 0.0, None)
        return with_values(curve, curve.values + self.head(outputs.values))

    def writes_something(self) -> bool:
        """Whether anything is added."""
        return bool(self.head.weight.any() or self.head.bias.any())

    @torch.no_grad()
    def start_from_nothing(self) -> None:
        """Add nothing, before training."""
        self.head.weight.zero_()
        self.head.bias.zero_()


class HybridDecoder(ValueDecoder):
    """encoder: whose vectors it decodes. correction: None where the curve is all."""

    def __init__(self, encoder: ClosedFormEncoder, correction: Correction | None, *, n_channels: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        make = partial(ClosedDecoder.from_arrays, latent_size=encoder.latent_size, n_channels=n_channels)
        self.closed_form, self.correction = Learnt(make), correction
        self._encoder = (encoder,)  # in a tuple: it is another module's child

    def decode(self, latent: Tensor, lengths: np.ndarray, memory: Ragged | None = None) -> Ragged:
        """See Decoder.decode."""
        return self._corrected(latent, lengths, None)

    def curve(self, latent: Tensor, lengths: np.ndarray) -> Ragged:
        """The closed form alone."""
        curve = self.closed_form.value.decode(latent.detach().cpu().numpy(), lengths)
        return with_values(curve, torch.from_numpy(curve.values).to(latent))

    def taught(self, latent: Tensor, target: Ragged, memory: Ragged | None, draw: Draw | None) -> Ragged:
        """See ValueDecoder.taught."""
        return self._corrected(latent, target.lengths, draw)

    def _corrected(self, latent: Tensor, lengths: np.ndarray, draw: Draw | None) -> Ragged:
        curve = self.curve(latent, lengths)
        return curve if self.correction is None else self.correction(latent, curve, draw)

    @property
    def is_corrected(self) -> bool:
        """Whether recurrent layers add to the curve, or were not kept."""
        return self.correction is not None and self.correction.writes_something()

    @property
    def recurrent_layers(self) -> list[list[RecurrentLayer]]:
        """See Part.recurrent_layers."""
        return [] if self.correction is None else directions_of(self.correction.layers)

    def fit_closed_form(self, data: TrainingData) -> None:
        """See Part.fit_closed_form; the encoder has learnt before."""
        learnt = fit_closed_decoder(data.sequences, self._encoder[0].closed_form.value)
        self.closed_form.learn(learnt, learnt.to_arrays())
        if self.correction is not None:
            self.correction.start_from_nothing()


def time_code(lengths: np.ndarray, n_waves: int) -> np.ndarray:
    """Of each step: how much of the sequence lies before and after it, and n_waves sines and cosines of that.

    Returns (n_steps, 2 + 2 * n_waves) float32.
    """
    time = ((step_numbers_of(lengths) + 0.5) / np.repeat(lengths, lengths))[:, None]
    angles = 2 * np.pi * time * np.arange(1, n_waves + 1)
    return np.concatenate([time, 1 - time, np.sin(angles), np.cos(angles)], axis=1, dtype=np.float32)


def build_hybrid(
    plan: Hybrid, cell: str, shape: DataShape, latent_size: int, hidden_size: int | None, n_layers: int | None
) -> Autoencoder:
    """Encoder and decoder; the length head is told, not trained. Raises InvalidParameter for sizes that do not fit."""
    n_decoding = plan.n_decoding
    if latent_size < max(FEWEST_VALUES, (n_decoding or 0) + 2):
        raise InvalidParameter(
            f"latent_size must be at least n_decoding + 2 (one value tells the length, one describes), and at least "
            f"{FEWEST_VALUES}; got latent_size={latent_size}, n_decoding={n_decoding}"
        )
    encoder = ClosedFormEncoder(latent_size, n_decoding, n_channels=shape.n_channels)
    correction = None
    if plan.residual is not None:
        sizes = (hidden_size or HIDDEN_SIZE,) * (n_layers or N_LAYERS)
        correction = _correction(plan.residual, Cell(cell), sizes, latent_size, shape.n_channels)  # pyright: ignore[reportArgumentType]
    decoder = HybridDecoder(encoder, correction, n_channels=shape.n_channels)
    head = LengthHead(latent_size).requires_grad_(False)
    fewest = 0 if plan.residual is None else plan.residual.fewest_sequences
    return Autoencoder(plan, encoder, decoder, objective=Objective(fewest_sequences=fewest), length_head=head)


def _correction(plan: Residual, cell: Cell, sizes: tuple[int, ...], latent_size: int, n_channels: int) -> Correction:
    input_size = plan.n_read + 2 + 2 * plan.n_waves + n_channels
    layers = bidirectional_layers(cell, input_size, sizes, is_bidirectional=plan.is_bidirectional)
    n_directions = 2 if plan.is_bidirectional else 1
    return Correction(
        LinearMap(latent_size, plan.n_read),
        layers,
        LinearMap(n_directions * sizes[-1], n_channels),
        n_waves=plan.n_waves,
        dropout=plan.dropout,
    )
