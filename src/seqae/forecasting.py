"""Continuation of sequences, and next-step prediction along a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import InvalidSequence
from .estimator import SequenceAutoencoder
from .parameters import check_count
from .reading import take
from .sequences.ragged import Ragged

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class NextSteps:
    """Predictions for the steps of one series. Arrays: (n_steps - window, n_channels), in units of the data.

    first_step: the step of the series for row 0. channel_names: (n_channels,).
    """

    first_step: int
    predicted: np.ndarray
    actual: np.ndarray
    channel_names: tuple[str, ...]

    @property
    def errors(self) -> np.ndarray:
        """actual - predicted."""
        return self.actual - self.predicted

    def to_frame(self) -> pa.Table:
        """One row per step: its number, and the predicted and the actual value of each channel."""
        import pyarrow as pa

        columns: dict[str, np.ndarray] = {"step": self.first_step + np.arange(len(self.actual))}
        for k, name in enumerate(self.channel_names):
            columns |= {f"predicted_{name}": self.predicted[:, k], f"actual_{name}": self.actual[:, k]}
        return pa.table(columns)


def forecast(estimator: SequenceAutoencoder, X: object, n_steps: int) -> Ragged:
    """The n_steps steps that follow each sequence of X, in the units of the data.

    The estimator's architecture must predict, such as composite; n_steps may differ from the task's.
    Raises InvalidParameter for an architecture that does not continue sequences.

    >>> import numpy as np
    >>> waves = [np.sin(np.arange(n) / 4)[:, None] for n in (30, 40, 50)]
    >>> predictor = SequenceAutoencoder("composite", max_epochs=1, random_state=0, verbose=False).fit(waves)
    >>> [len(sequence) for sequence in forecast(predictor, waves, 5)]
    [5, 5, 5]
    """
    return estimator.predict_steps(X, n_steps)


def next_steps(estimator: SequenceAutoencoder, series: object, window: int) -> NextSteps:
    """For each step of a series after the first `window` ones, its prediction from the `window` steps before it.

    series: (n_steps, n_channels), or one sequence in any form that fit() takes.
    Raises InvalidSequence if it has no more steps than the window.
    """
    window = check_count("window", window)
    sequences = take([series] if isinstance(series, np.ndarray) else series, estimator.schema_).ragged
    if len(sequences) != 1:
        raise InvalidSequence(f"next_steps takes one series, got {len(sequences)}; call it for each")
    n_steps = int(sequences.lengths[0])
    if n_steps <= window:
        raise InvalidSequence(f"the series has {n_steps} steps; a window of {window} needs at least {window + 1}")
    starts = sequences.starts[0] + np.arange(n_steps - window)
    windows = Ragged.view(sequences.values, starts, np.full(len(starts), window, np.int64), sequences.observed)
    predicted = np.asarray(forecast(estimator, windows, 1).values)
    return NextSteps(window, predicted, np.asarray(sequences[0][window:]), estimator.channel_names_)
