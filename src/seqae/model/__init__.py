"""The autoencoder as modules: encoder, decoder, and both with shared weights."""

from .autoencoder import Autoencoder
from .building import DataShape, build
from .decoder import RecurrentDecoder
from .draw import Draw
from .encoder import RecurrentEncoder
from .feedback_chain import unfit_for_feedback
from .interface import Decoder, Encoder
from .symbols import SymbolDecoder
from .tying import tie

__all__ = [
    "Autoencoder",
    "DataShape",
    "Decoder",
    "Draw",
    "Encoder",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "SymbolDecoder",
    "build",
    "tie",
    "unfit_for_feedback",
]
