"""The abstract Evidence, and the scores that are made from it.

A new score is one file with its class, and one line in registry.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from ...model.autoencoder import Autoencoder
from ...model.losses import Loss
from ...sequences.ragged import Ragged
from ...sequences.scaling import Scaling
from ...storage.vetting import Arrays

RECONSTRUCTION, LATENT = "reconstruction", "latent"
"""Kinds of columns of a detector's main model: an autoencoder, or the baseline instead of it."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score by its name, alone or as a part of a joint score.

    kinds: the columns of evidence that it uses.
    measure: "error" is a mean of errors divided by their held-out scale (of tokens, of cross-entropies); "covariance"
        is the Mahalanobis distance; "distance" is as "error", without units. Errors are comparable with each other.
    is_sparse: whether a window has it for a few of its steps alone.
    of: the kind of sequences. needs_all_channels: whether it is undefined for a part of the channels.
    is_yardstick: whether the weights of other errors are relative to this one.
    weight: in a joint score; errors have weights by size.
    """

    name: str
    kinds: tuple[str, ...]
    measure: Literal["error", "covariance", "distance"] = "error"
    of: Literal["vectors", "tokens", "both"] = "both"
    needs_all_channels: bool = False
    is_yardstick: bool = False
    is_sparse: bool = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained autoencoder. n_symbols: size of its vocabulary; None for vectors."""

    model: Autoencoder
    loss: Loss
    scaling: Scaling
    n_symbols: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """The detector's settings that evidence depends on.

    n_channels: of the data. channels: (n_scored,) numbers of the scored ones, None for all. window: steps of the
    windows of long series, None for whole sequences; stride: from one to the next. is_exact:
    whether values are float64, since float32 would lose their digits. autoencoder: trained on the same data, or None.
    """

    n_channels: int
    n_scored: int
    window: int | None
    stride: int
    are_tokens: bool
    is_exact: bool = False
    channels: np.ndarray | None = None
    autoencoder: Trained | None = None


class Measure(ABC):
    """The held-out statistics of some columns. name: in files."""

    __slots__ = ()
    name: ClassVar[str]

    @abstractmethod
    def score(self, columns: np.ndarray) -> np.ndarray:
        """The score of each step, independent of other steps. columns: (n_steps, n_columns), NaN where unknown.

        Returns (n_steps,), NaN where all are unknown.
        """

    @abstractmethod
    def of_sequences(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The score of each sequence. scores: (n_steps,) of its steps, back to back. Returns (n_sequences,)."""

    @abstractmethod
    def size(self) -> float:
        """The size of held-out errors, by which models are weighted against each other."""

    @abstractmethod
    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """The fitted arrays, by name."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays, n_columns: int) -> Self:
        """The inverse of to_arrays(). Raises ModelFileError for arrays that are of other columns."""


class Evidence(ABC):
    """Numbers about each step, from a model of normal data: columns of one or more kinds.

    name: in files. offers: all kinds of columns; leads: those of a detector's main model.
    scores: that use its columns. kinds: the columns of an instance, in this order.
    """

    __slots__ = ()
    name: ClassVar[str]
    offers: ClassVar[tuple[str, ...]] = ()
    leads: ClassVar[tuple[str, ...]] = ()
    scores: ClassVar[tuple[Score, ...]]
    kinds: tuple[str, ...]

    @classmethod
    @abstractmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """Learn from normal data. windows: whole sequences or windows of series, in the units of the data."""

    @abstractmethod
    def width(self, kind: str) -> int:
        """The number of columns of a kind."""

    @abstractmethod
    def read(self, windows: Ragged) -> list[np.ndarray]:
        """One array for each kind, (n_steps, width), back to back, NaN where unknown. The bits of a window do not
        depend on other windows. windows: of any lengths, in the units of the data.
        """

    def expected(self, windows: Ragged) -> np.ndarray | None:
        """What is expected of each value, (n_steps, n_channels) in the units of the data; None where there are none."""
        return None

    @abstractmethod
    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """The arrays that fit() learnt, without the autoencoder and the kinds."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """The inverse of to_arrays(). Raises ModelFileError for arrays that fit() cannot
        have made.
        """
