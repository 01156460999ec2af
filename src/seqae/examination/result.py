"""What a fitted model makes of a data set: all that plots and the report show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..cards import Card
from ..reading.source import Source
from ..sequences.ragged import Ragged
from ..training.history import History
from .quality import Measured
from .vectors import Kinds, Map

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Layers:
    """A part of the model for a diagram. name: such as "encoder"; told: such as "lstm 64"; shape: what comes out."""

    name: str
    told: str
    shape: str


@dataclass(frozen=True, slots=True, eq=False)
class Examination(Card):
    """A data set beside what a model makes of it.

    source: the sequences; labels: (n_sequences,) text, or None. loss: its kind; architecture: as the user named it.
    vectors: (n_sequences, latent_size) float32. told_lengths: (n_sequences,) int64, by the length head; or None.
    errors: (n_sequences, n_channels), the mean loss of observed values in scaled units, NaN where there are none.
    error: (n_sequences,), the same over all channels.
    shown: (n_shown,) indices of the sequences that were decoded, in the order of the data. again: their
        reconstruction, in units of the data, or tokens; losses: of each of their values, (n_steps, n_channels).
    explained: (n_channels,), the part of each channel's variance that comes back; NaN for a constant one, and for
        tokens.
    """

    source: Source
    labels: np.ndarray | None
    architecture: str
    layers: tuple[Layers, ...]
    loss: str
    vectors: np.ndarray
    told_lengths: np.ndarray | None
    errors: np.ndarray
    error: np.ndarray
    explained: np.ndarray
    shown: np.ndarray
    again: Ragged
    losses: Ragged
    map: Map
    kinds: Kinds
    quality: Measured
    history: History

    def __len__(self) -> int:
        return len(self.source)

    def facts(self) -> dict[str, str]:
        """The data, the model, and how the two fit, as text."""
        told = {"sequences": f"{len(self):,}", "vectors": f"{self.latent_size} values", "model": self.architecture}
        told |= {"mean error": f"{np.nanmean(self.error):.4g}", "kinds": f"{len(self.kinds.sizes)}"}
        return told | ({"quality": self.quality.verdict} if self.quality.verdict else {})

    def __repr__(self) -> str:
        return (
            f"Examination({len(self):,} sequences, vectors of {self.vectors.shape[1]} values, mean error "
            f"{np.nanmean(self.error):.4g})"
        )

    @property
    def latent_size(self) -> int:
        """Values of a vector."""
        return self.vectors.shape[1]

    @property
    def worst_first(self) -> np.ndarray:
        """Indices of all sequences by falling error, those without one last. (n_sequences,)"""
        return np.argsort(-np.where(np.isnan(self.error), -np.inf, self.error), kind="stable")

    @property
    def times_usual(self) -> np.ndarray:
        """The error of each sequence over the median one, (n_sequences,)."""
        usual = float(np.nanmedian(self.error))
        return self.error / usual if usual > 0 else np.ones(len(self.error))

    @property
    def shares(self) -> np.ndarray:
        """Of each channel in what a sequence's error is above the channel's median, (n_sequences, n_channels).

        Rows add up to 1; to 0 where no channel's error is above its median.
        """
        above = np.nan_to_num(np.maximum(self.errors - np.nanmedian(self.errors, axis=0), 0))
        sums = above.sum(axis=1, keepdims=True)
        return np.divide(above, sums, out=np.zeros_like(above), where=sums > 0)

    def to_frame(self) -> pa.Table:
        """One row per sequence: id, length, error, group, place on the map, and the error of each channel."""
        import pyarrow as pa

        columns = {
            self.source.id_name: self.source.ids,
            "length": self.source.ragged.lengths,
            "error": self.error,
            "kind": self.kinds.of,
            "x": self.map.places[:, 0],
            "y": self.map.places[:, 1],
        }
        if self.labels is not None:
            columns["label"] = self.labels
        for k, name in enumerate(self.source.channel_names):
            columns[f"error_{name}"] = self.errors[:, k]
        return pa.table({name: pa.array(column) for name, column in columns.items()})


def choice_of(error: np.ndarray, lengths: np.ndarray, count: int, most_steps: int) -> np.ndarray:
    """The sequences to look at closely: a third the worst, then the best, the typical and, evenly, others.

    error: (n,); lengths: (n,), in steps. At most `count` of at most `most_steps` steps in all, at least one.
    Returns indices, rising.
    """
    n = len(error)
    order = np.argsort(-np.where(np.isnan(error), -np.inf, error), kind="stable")
    middle = order[np.argsort(np.abs(np.arange(n) - n // 2), kind="stable")]
    evenly = order[np.linspace(0, n - 1, min(n, count)).round().astype(int)]
    queues = [order[: count // 3], order[::-1][: count // 6], middle[: count // 6], evenly, order]
    firsts = np.concatenate([order[:1], order[-1:], middle[:1], *queues])
    _, places = np.unique(firsts, return_index=True)
    ranked = firsts[np.sort(places)][:count]
    fits = np.cumsum(lengths[ranked]) <= most_steps
    fits[0] = True
    return np.sort(ranked[fits])
