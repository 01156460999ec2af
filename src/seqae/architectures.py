"""Which model: a frozen description, and the presets by name with where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .errors import InvalidParameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The finer choices of a sequence autoencoder; sizes that are None follow the estimator's parameters.

    encoder_sizes: units of each encoder layer, first to last; None is (hidden_size,) * n_layers.
    decoder_sizes: units of each decoder layer, first to last; None is the encoder's in reverse.
    activation: of candidate and output in every cell; "relu" is what many Keras tutorials use.
    is_bidirectional: whether the encoder also reads each sequence from its end (Schuster & Paliwal 1997); the two
        final states are joined.
    has_projection: whether a linear layer maps the encoder's final state to latent_size values; without one, the last
        encoder layer (twice, if bidirectional) must have latent_size units.

    Raises InvalidParameter for sizes below 1.
    """

    encoder_sizes: tuple[int, ...] | None = None
    decoder_sizes: tuple[int, ...] | None = None
    activation: Literal["tanh", "relu"] = "tanh"
    is_bidirectional: bool = True
    has_projection: bool = True

    def __post_init__(self) -> None:
        if self.activation not in ("tanh", "relu"):
            raise InvalidParameter(f"Architecture.activation must be 'tanh' or 'relu', got {self.activation!r}")
        for name in ("encoder_sizes", "decoder_sizes"):
            sizes = getattr(self, name)
            if sizes is not None:
                object.__setattr__(self, name, _as_sizes(name, sizes))


PRESETS: Mapping[str, Architecture] = MappingProxyType({"repeat": Architecture()})
"""Architectures by name.

repeat: the last hidden state, projected to the latent vector, is the decoder's input at every step; a dense layer reads
    out each step (Keras' RepeatVector tutorials; the unconditional decoder of Srivastava et al. 2015, 1502.04681):
        z = P [h_forward(n); h_backward(1)],  d(t) = LSTM(z, d(t-1)),  y(t) = W d(t) + b.
"""


def as_architecture(architecture: str | Architecture) -> Architecture:
    """The preset of that name; an Architecture is returned as it is. Raises InvalidParameter for an unknown name."""
    if isinstance(architecture, Architecture):
        return architecture
    if architecture not in PRESETS:
        raise InvalidParameter(
            f"architecture must be an Architecture or one of {', '.join(PRESETS)}, got {architecture!r}"
        )
    return PRESETS[architecture]


def _as_sizes(name: str, sizes: object) -> tuple[int, ...]:
    if not isinstance(sizes, list | tuple) or not sizes or not all(isinstance(s, int) and s >= 1 for s in sizes):
        raise InvalidParameter(f"Architecture.{name} must be a tuple of whole numbers of at least 1, got {sizes!r}")
    return tuple(sizes)
