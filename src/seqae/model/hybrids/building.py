"""The module that a Hybrid describes."""

from __future__ import annotations

from ...errors import InvalidParameter
from ...recurrence import Cell
from ..autoencoder import Autoencoder, Objective
from ..hybrid import Hybrid, Residual
from ..interface import LengthHead
from ..layers import LinearMap, bidirectional_layers
from ..plans import HIDDEN_SIZE, N_LAYERS, DataShape
from .decoder import Correction, HybridDecoder
from .encoder import ClosedFormEncoder

FEWEST_VALUES = 3
DECODING_SHARE = 4  # one value in four decodes


def build_hybrid(
    plan: Hybrid, cell: str, shape: DataShape, latent_size: int, hidden_size: int | None, n_layers: int | None
) -> Autoencoder:
    """Encoder and decoder; the length head is told, not trained. Raises InvalidParameter for sizes that do not fit."""
    n_decoding = plan.n_decoding or max(latent_size // DECODING_SHARE, 1)
    if latent_size < FEWEST_VALUES or n_decoding > latent_size - 2:
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
