"""What stands between the decoder's readout and the steps of the data."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import nn

from ..ragged import Ragged


class Writer(nn.Module, ABC):
    """From the readout's values to steps of the data. input_size: values of one step of the readout."""

    input_size: int

    @abstractmethod
    def core_lengths(self, lengths: np.ndarray) -> np.ndarray:
        """Recurrent steps for sequences of `lengths` steps. Both: (n_sequences,) int64."""

    @abstractmethod
    def forward(self, steps: Ragged, lengths: np.ndarray) -> Ragged:
        """steps: values (n_core_steps, input_size). Returns values (n_steps, n_channels), both back to back."""
