"""What every kind of evidence can do, and how it says which scores are made from it.

A new score is a class of its own, in a file of its own, and one line in registry.py.
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
"""Kinds that the main model of a detector gives: an autoencoder, or what stands in for one."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score by the name that users give, or one part of several that are joined.

    kinds: the columns of evidence that it looks at.
    measure: "error" is a mean of errors in units of what is usual (of tokens, of cross-entropies); "covariance" is
        Mahalanobis; "distance" is as "error", of what has no units. Errors are comparable with each other.
    of: what sequences it is of. needs_all_channels: whether it cannot be told for some channels.
    is_yardstick: whether other errors are weighed against this one.
    weight, weight_of_one_channel: in a joint score, of several channels and of one; errors weigh by their size.
    """

    name: str
    kinds: tuple[str, ...]
    measure: Literal["error", "covariance", "distance"] = "error"
    of: Literal["vectors", "tokens", "both"] = "both"
    needs_all_channels: bool = False
    is_yardstick: bool = False
    weight: float = 1.0
    weight_of_one_channel: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained autoencoder. n_symbols: it knows tokens below it; None for one of vectors."""

    model: Autoencoder
    loss: Loss
    scaling: Scaling
    n_symbols: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What evidence is part of.

    n_channels: of the data. channels: (n_scored,) numbers of those that are scored, None for all. window: steps of the
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
    """What is usual of some columns. name: in files."""

    __slots__ = ()
    name: ClassVar[str]

    @abstractmethod
    def score(self, columns: np.ndarray) -> np.ndarray:
        """How unusual each step is, whatever the other steps. columns: (n_steps, n_columns), NaN where unknown.

        Returns (n_steps,), NaN where all is.
        """

    @abstractmethod
    def of_sequences(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The score of each sequence. scores: (n_steps,) of its steps, back to back. Returns (n_sequences,)."""

    @abstractmethod
    def size(self) -> float:
        """How large what is usual is: what errors of one model are weighed against those of another by."""

    @abstractmethod
    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """All of it."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays, n_columns: int) -> Self:
        """What to_arrays() was called on. Raises ModelFileError for arrays that are of other columns."""


class Evidence(ABC):
    """Numbers about each step, from what was learnt of normal data: columns of one or more kinds.

    name: in files. offers: the kinds of columns there are; leads: those that it gives as the main model of a detector.
    scores: what can be made from its columns. kinds: those that an instance gives, in this order.
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
        """How many columns a kind has."""

    @abstractmethod
    def read(self, windows: Ragged) -> list[np.ndarray]:
        """One array for each kind, (n_steps, width), back to back, NaN where unknown. A window's numbers have the same
        bits whatever it is read with. windows: some, of any lengths, in the units of the data.
        """

    @abstractmethod
    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """All that fit() learnt, but for the autoencoder and the kinds."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """What to_arrays() was called on. Raises ModelFileError for arrays that no fit()
        made.
        """
