"""What the service asks of a model."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..model.autoencoder import Autoencoder
from ..reading.schema import Schema
from ..reading.source import Source
from ..sequences.ragged import Ragged


class Model(Protocol):
    """What every served model has."""

    n_channels_: int

    @property
    def schema_(self) -> Schema:
        """The channels that data must have."""
        ...


class Autoencoding(Model, Protocol):
    """See SequenceAutoencoder."""

    model_: Autoencoder
    channel_names_: tuple[str, ...]

    @property
    def vocabulary_(self) -> tuple[str, ...] | None:
        """The text of each token."""
        ...

    def transform(self, X: Source) -> np.ndarray:
        """Vectors."""
        ...

    def inverse_transform(self, Z: np.ndarray, lengths: list[int] | None = None) -> Ragged:
        """Sequences of vectors."""
        ...

    def reconstruct(self, X: Source) -> Ragged:
        """Sequences encoded and decoded."""
        ...

    def reconstruction_error(self, X: Source) -> np.ndarray | Ragged:
        """An error for each sequence."""
        ...

    def predict_steps(self, X: Source, n_steps: int) -> Ragged:
        """The steps that follow."""
        ...


class Detecting(Model, Protocol):
    """See AnomalyDetector."""

    def anomaly_score(self, X: Source) -> np.ndarray | Ragged:
        """Of sequences or steps."""
        ...

    def detect(self, X: Source) -> object:
        """A Detection."""
        ...
