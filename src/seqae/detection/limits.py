"""The abstract Threshold, its Limit and its Marks."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import InvalidParameter, NotFitted
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

    def fit_in_time(self, normal: np.ndarray, anomalous: np.ndarray | None, steps_per_day: float | None) -> Limit:
        """As fit(), with the steps of a day; None where the data have no dates."""
        return self.fit(normal, anomalous)

    def for_window(self, window: int | None) -> Threshold:
        """With the settings that are "auto" resolved. window: None for whole sequences."""
        return self

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

    def why_nothing(self, limit: Limit, scores: np.ndarray) -> str:
        """Why none of the scores is marked, as a sentence without its full stop. scores: (n,), NaN where unknown."""
        if limit.value is None:
            return f"{self!r} marks nothing"
        return f"the highest score is {np.nanmax(scores, initial=0.0):.4g}, the limit {limit.value:.4g}"

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
    """A threshold and its limit. data: the fingerprint of the data that it was learnt from, empty if there are none;
    steps_per_day: of these data, None if they had no dates.
    """

    threshold: Threshold
    limit: Limit
    data: bytes = b""
    steps_per_day: float | None = None

    def warn_if_known(self, data: bytes) -> None:
        """Warn (UserWarning) if the limit was learnt from these data. data: their fingerprint."""
        if self.data and self.data == data:
            warnings.warn(KNOWN_DATA, UserWarning, stacklevel=4)

    def for_scores(self, scores: np.ndarray) -> Rule:
        """The rule for scores, (n,), that are judged together."""
        return replace(self, limit=self.threshold.for_scores(self.limit, scores))

    def marks(self, scores: np.ndarray) -> Marks:
        """See Threshold.marks."""
        return self.threshold.marks(scores, self.limit)

    def why_nothing(self, scores: np.ndarray) -> str:
        """See Threshold.why_nothing."""
        return self.threshold.why_nothing(self.limit, scores)

    def single(self) -> float:
        """See Threshold.single."""
        return self.threshold.single(self.limit)

    def streaming(self, normal: np.ndarray, stride: int) -> float:
        """The limit for scores of a stream. normal: (n,), of a stream and finite, `stride` steps apart.

        A limit that does not come from normal scores alone is kept.
        """
        if not self.threshold.learns or self.threshold.learns_from_labels or not len(normal):
            return self.single()
        per_day = None if self.steps_per_day is None else self.steps_per_day / stride
        return self.threshold.single(self.threshold.fit_in_time(normal, None, per_day))


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


def check_level(name: str, value: object) -> None:
    """Raise InvalidParameter unless value lies between 0 and 1, both excluded."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidParameter(f"{name} must be a number above 0 and below 1, got {value!r}")
