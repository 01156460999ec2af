"""Streams over WebSockets: the steps of all open ones are scored together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SeqaeError
from .bodies import in_words, unreadable
from .limits import Refused


class Scores(Protocol):
    """What scores the steps of several streams: see seqae.Stream."""

    @property
    def n_streams(self) -> int:
        """The number of streams."""
        ...

    def push(self, steps: ArrayLike, streams: ArrayLike | None = None) -> float | np.ndarray:
        """The score of one more step of each of some streams."""
        ...

    def is_anomaly(self, scores: ArrayLike) -> np.ndarray:
        """Which scores are above the limit."""
        ...

    def reset(self, streams: ArrayLike | None = None) -> None:
        """Empty streams."""
        ...


class Streams:
    """Places for open streams, as many as `scores` has. Each has the same scores as one of its own."""

    def __init__(self, scores: Scores) -> None:
        self._stream = scores
        self._free = list(range(scores.n_streams))[::-1]

    def open(self) -> int | None:
        """A place for a new stream; None if there is none left."""
        if not self._free:
            return None
        place = self._free.pop()
        self._stream.reset([place])
        return place

    def close(self, place: int) -> None:
        """Give a place back."""
        self._free.append(place)

    def run(self, items: list[tuple[int, Sequence[float]]]) -> list[tuple[float, bool] | Exception]:
        """Score and mark one step of each of several streams. items: places, each once, and steps."""
        try:
            scores = self._pushed(items)
        except Refused as refused:
            return [refused] if len(items) == 1 else [self.run([item])[0] for item in items]
        marks = self._stream.is_anomaly(scores)
        return [(float(score), bool(mark)) for score, mark in zip(scores, marks, strict=True)]

    def _pushed(self, items: list[tuple[int, Sequence[float]]]) -> np.ndarray:
        try:
            steps = np.array([step for _, step in items])
        except ValueError as error:
            raise unreadable("a step must have a number for each channel") from error
        try:
            return np.asarray(self._stream.push(steps, [place for place, _ in items]))
        except SeqaeError as error:
            raise in_words(error) from error
