"""The autoencoder as modules: encoder, decoder, and both with shared weights."""

from .autoencoder import Autoencoder, build
from .decoder import Decoder
from .encoder import Encoder

__all__ = ["Autoencoder", "Decoder", "Encoder", "build"]
