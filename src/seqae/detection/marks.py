"""Which steps of a series are marked as anomalous, and the limits that they lie above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Of scores that are judged. is_marked: (n,) bool; limits: (n,), in the units of the scores."""

    is_marked: np.ndarray
    limits: np.ndarray


Marker = Callable[[np.ndarray], Marks]
"""Takes the scores of all steps of one series, or of whole sequences, (n,), NaN where nothing is known."""


def above(limit: float) -> Marker:
    """Marks what lies above one limit."""
    return lambda scores: Marks(scores > limit, np.full(len(scores), limit))


def runs(is_marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as [start, end). is_marked: (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_marked, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def widened(is_marked: np.ndarray, n_steps: int) -> np.ndarray:
    """Each run of True reaches n_steps further on both sides; runs that meet become one. Returns (n,) bool."""
    wide = is_marked.copy()
    for start, end in runs(is_marked):
        wide[max(0, start - n_steps) : end + n_steps] = True
    return wide
