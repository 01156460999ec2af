"""Labels as users give them: 1 is anomalous, 0 is normal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidParameter
from ..sequences.checks import to_numpy


def anomalous_sequences(y: Any, n_sequences: int) -> np.ndarray:
    """(n_sequences,) bool. y: None for all normal, or (n_sequences,) of 0 and 1.

    Raises InvalidParameter for another size or other labels.
    """
    if y is None:
        return np.zeros(n_sequences, bool)
    labels = to_numpy(y)
    if labels.shape != (n_sequences,):
        raise InvalidParameter(
            f"y must have one label for each of the {n_sequences} sequences, got shape {labels.shape}"
        )
    return _as_bool(labels)


def anomalous_steps(y: Any, lengths: np.ndarray) -> np.ndarray:
    """(n_steps,) bool, series after series. y: None for all normal, or one vector of 0 and 1 per series.

    Raises InvalidParameter for other sizes or labels.
    """
    if y is None:
        return np.zeros(int(lengths.sum()), bool)
    vectors = [to_numpy(labels) for labels in y] if isinstance(y, list | tuple) else [to_numpy(y)]
    if vectors and vectors[0].ndim == 0:
        vectors = [to_numpy(y)]
    shapes = [vector.shape for vector in vectors]
    if shapes != [(int(n),) for n in lengths]:
        raise InvalidParameter(
            f"y must be one vector of labels per series, of lengths {[int(n) for n in lengths]}, got shapes {shapes}"
        )
    return _as_bool(np.concatenate(vectors))


def _as_bool(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise InvalidParameter("y must hold 1 for anomalous and 0 for normal, nothing else")
    return labels.astype(bool)
