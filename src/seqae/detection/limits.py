"""The abstract Threshold, its Limit and its Marks."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from ..errors import NotFitted
from ..storage.vetting import checked, misfit

KNOWN_DATA = (
    "the limit was learnt from these data, so that by design few of them lie above it, whatever they hold: judge other "
    "data, or take the threshold 'scored' if these are what you want to know about"
)


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A fitted threshold. value: the limit for a single score, None if there is none; inf marks nothing. normal: (n,)
    the normal scores that it was learnt from.
    """

    value: float | None
    normal: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The marked ones of judged scores. is_marked: (n,) bool; limits: (n,), in the units of the scores."""

    is_marked: np.ndarray
    limits: np.ndarray


class Threshold(ABC):
    """Learns a limit from scores of normal data, and marks scores above it.

    Higher scores are more anomalous. A subclass is a frozen dataclass of its settings, and one line in the table of
    thresholds.py. Its facts, beside fit():

    judges_together: whether the limit depends on the scores judged together; for_scores() then computes it.
    learns: whether the limit comes from data, so that judging the same data is misleading.
    needs_windows: whether it marks only steps of long series. marks_nothing: whether it never marks.
    learns_from_labels: whether it uses scores of anomalies.
    """

    __slots__ = ()
    judges_together: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    needs_windows: ClassVar[bool] = False
    marks_nothing: ClassVar[bool] = False
    learns_from_labels: ClassVar[bool] = False

    @abstractmethod
    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """normal: (n,) finite scores of held-out data; anomalous: (m,) finite scores of labelled anomalies, or None.
        Raises InvalidSequence if there are too few.
        """

    def for_scores(self, limit: Limit, scores: np.ndarray) -> Limit:
        """The limit for scores that are judged together. scores: (n,), NaN where unknown."""
        return limit

    def marks(self, scores: np.ndarray, limit: Limit) -> Marks:
        """scores: (n,) of one series, or of whole sequences; unknown ones, NaN, are never marked."""
        value = self.single(limit)
        return Marks(scores > value, np.full(len(scores), value))

    def single(self, limit: Limit) -> float:
        """The limit for a single score. Raises NotFitted if there is none."""
        if limit.value is None:
            raise NotFitted(f"threshold={self!r} gives no limit here; choose another, or use score_samples()")
        return limit.value

    def restored(self, value: float | None, normal: np.ndarray) -> Limit:
        """A saved limit. Raises ModelFileError for one that this threshold cannot have learnt."""
        if not self.learns or self.judges_together:
            return checked(lambda: self.fit(normal), "limit")
        if value is None and not self.learns_from_labels:
            raise misfit("limit", f"is missing, which {self!r} learns")
        return Limit(value, normal)

    def settings(self) -> Mapping[str, object]:
        """Its settings as JSON values."""
        return asdict(self)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A threshold and its limit. data: the fingerprint of the data that it was learnt from, empty if there are none."""

    threshold: Threshold
    limit: Limit
    data: bytes = b""

    def warn_if_known(self, data: bytes) -> None:
        """Warn (UserWarning) if the limit was learnt from these data. data: their fingerprint."""
        if self.data and self.data == data:
            warnings.warn(KNOWN_DATA, UserWarning, stacklevel=4)

    def for_scores(self, scores: np.ndarray) -> Rule:
        """The rule for scores, (n,), that are judged together."""
        return Rule(self.threshold, self.threshold.for_scores(self.limit, scores), self.data)

    def marks(self, scores: np.ndarray) -> Marks:
        """See Threshold.marks."""
        return self.threshold.marks(scores, self.limit)

    def single(self) -> float:
        """See Threshold.single."""
        return self.threshold.single(self.limit)

    def streaming(self, normal: np.ndarray) -> float:
        """The limit for scores of another kind, such as those of a stream. normal: (n,), of this kind and finite.

        A limit that does not come from normal scores alone is kept.
        """
        if not self.threshold.learns or self.threshold.learns_from_labels or not len(normal):
            return self.single()
        return self.threshold.single(self.threshold.fit(normal))


def runs(is_marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as [start, end). is_marked: (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_marked, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def widened(is_marked: np.ndarray, n_steps: int) -> np.ndarray:
    """Each run of True, extended by n_steps on both sides and merged. Returns (n,) bool."""
    wide = is_marked.copy()
    for start, end in runs(is_marked):
        wide[max(0, start - n_steps) : end + n_steps] = True
    return wide
