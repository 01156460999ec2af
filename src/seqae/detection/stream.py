"""Scores of streams, step by step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidParameter, InvalidSequence, ModelFileError, NotFitted
from ..parameters import check_count
from ..sequences.checks import as_numbers, unusable, unusable_channel, unusable_rows
from ..sequences.ragged import Ragged
from ..storage.model_file import ModelFile, read_model_file, write_model_file
from .clock import GAP, LATE, Clock, as_times
from .limits import Rule
from .storage import Learnt

KIND = "stream"


class Scoring(Protocol):
    """What a stream asks of a detector: see AnomalyDetector."""

    learnt_: Learnt
    max_gap: float | str | None

    @property
    def rule_(self) -> Rule:
        """The present rule."""
        ...

    def __sklearn_is_fitted__(self) -> bool:
        """Whether fit() was called."""
        ...


class Stream:
    """Scores the newest step of one or many streams, each from its last `window` steps.

    The score has the same bits as `detector.anomaly_score([window])[0][-1, 0]` of these steps, whatever other streams
    are pushed. Memory is bounded: twice `window` steps per stream.

    Missing values are NaN, as in training: a dead sensor is left out of scores, and lowers observed_share(). With
    times, missing steps count as not observed, a gap empties the stream (see AnomalyDetector.max_gap), and a step that
    comes late or twice is passed over.

    detector: fitted with windows. n_streams: number of streams.
    Raises InvalidParameter for a detector of whole sequences, NotFitted for one that is not fitted.

    >>> import numpy as np
    >>> from seqae import AnomalyDetector, Stream
    >>> wave = np.sin(np.arange(400) / 4)[:, None]
    >>> stream = Stream(AnomalyDetector(window=25, baseline="pca", random_state=0).fit([wave]))
    >>> scores = [stream.push(step) for step in wave[:40]]
    >>> bool(np.isnan(scores[23])), bool(np.isfinite(scores[24]))  # from the first whole window on
    (True, True)
    >>> stream.is_anomaly(stream.push([9.0])).item()
    True
    """

    def __init__(self, detector: Scoring, n_streams: int = 1) -> None:
        if not hasattr(detector, "fit_threshold"):
            told = " ".join(repr(detector).split())
            raise InvalidParameter(f"detector must be an AnomalyDetector, got {told}", parameter="detector")
        if not detector.__sklearn_is_fitted__():
            raise NotFitted("Stream needs a fitted AnomalyDetector; call fit() first, or load() a saved one")
        scorer = detector.learnt_.scorer
        if scorer.window is None:
            raise InvalidParameter("Stream needs a detector of windows; fit AnomalyDetector(window=...)")
        self._detector, self._scorer, self._window = detector, scorer, scorer.window
        self._limit: tuple[Rule | None, float] = (None, np.nan)
        setting = detector.learnt_.setting
        self._are_tokens = setting.are_tokens
        n_rows = check_count("n_streams", n_streams) * 2 * self._window
        # Each step is written twice, `window` rows apart, so that the last `window` steps always lie back to back.
        if self._are_tokens:
            self._values = np.zeros(n_rows, np.int32)
        else:
            self._values = np.zeros((n_rows, setting.n_channels), np.float64 if setting.is_exact else np.float32)
        self._observed = np.ones(self._values.shape, bool)
        self._n_pushed, self._n_late = np.zeros(n_streams, np.int64), np.zeros(n_streams, np.int64)
        self._clock = Clock(n_streams, detector.max_gap)

    @property
    def n_streams(self) -> int:
        """The number of streams."""
        return len(self._n_pushed)

    @property
    def n_late(self) -> np.ndarray:
        """How many steps of each stream came late or twice, and were passed over; (n_streams,)."""
        return self._n_late.copy()

    def push(
        self, steps: ArrayLike, streams: ArrayLike | None = None, *, times: ArrayLike | None = None
    ) -> float | np.ndarray:
        """Take one more step of one or many streams, and score it.

        steps: (n_channels,) of the only stream (a number if it has one channel), or (n, n_channels), one for each of
        `streams`, NaN where missing; tokens are whole numbers, one for the only stream, or (n,). streams: (n,)
        different indices; None is all of them. times: of the steps, one or (n,), numbers or datetimes; None if they
        follow one another. Returns a float, or (n,): the anomaly score, NaN until a stream has had `window` steps, for
        a step without a value, and for one that comes late. Raises InvalidSequence for an invalid step or time; no
        stream is then changed.
        """
        rows, which = self._checked(steps, streams)
        scores, kept = np.full(len(which), np.nan), np.arange(len(which))
        if times is not None:
            kept = self._follow(as_times(times, len(which)), which)
        place = self._write(rows[kept], which[kept])
        full = np.flatnonzero(self._n_pushed[which[kept]] >= self._window)
        if len(full):
            scores[kept[full]] = self._newest(place[full] + 1)
        return float(scores[0]) if self._is_single(steps) else scores

    def observed_share(self, streams: ArrayLike | None = None) -> np.ndarray:
        """The share of values that were observed of the last `window` steps, 1 where nothing is missing; (n,).

        Steps that a stream has not had yet count as missing. streams: (n,) indices; None is all of them.
        """
        which = self._indices(streams)
        rows = self._first_rows(which)[:, None] + np.arange(self._window)
        is_had = np.arange(self._window) >= self._window - self._n_pushed[which][:, None]
        is_observed = self._observed[rows].reshape(*rows.shape, -1)
        return (is_observed & is_had[:, :, None]).mean(axis=(1, 2))

    def is_anomaly(self, scores: ArrayLike) -> np.ndarray:
        """Whether scores that push() returned lie above the limit of streams; NaN does not.

        A stream judges a step by one window, a detector by the mean of several. So the detector's threshold is learnt
        for streams from what a stream gives for held-out normal data. Raises NotFitted without a limit.
        """
        rule = self._detector.rule_
        if rule is not self._limit[0]:
            self._limit = rule, rule.streaming(self._detector.learnt_.stream_scores, self._scorer.stride)
        return np.asarray(scores) > self._limit[1]

    def reset(self, streams: ArrayLike | None = None) -> None:
        """Empty the streams, as after a gap in the times. streams: (n,) indices; None is all of them."""
        which = self._indices(streams)
        self._n_pushed[which] = 0
        self._clock.reset(which)

    # -- keeping ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state that push() changes: arrays by name."""
        own = {name: array.copy() for name, array in self._arrays().items()}
        return own | self._clock.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore a state of state_dict(), of this version or an earlier one, which had no missing values and no times.

        Raises ModelFileError for the state of other streams.
        """
        earlier = {"observed": np.ones_like(self._observed), "n_late": np.zeros_like(self._n_late)}
        given = earlier | dict(state)
        for name, own in self._arrays().items():
            saved = given.get(name)
            if not isinstance(saved, np.ndarray) or saved.shape != own.shape or saved.dtype != own.dtype:
                raise ModelFileError(f"the state does not fit: {name} must be {own.dtype} of shape {own.shape}")
        is_counted = min(given["n_pushed"].min(), given["n_late"].min()) >= 0
        if not is_counted or len(unusable_rows(given["values"].reshape(len(self._values), -1))):
            raise ModelFileError("the state is damaged: it holds values that push() does not take")
        self._clock.load_state_dict(given)
        self._values, self._observed = given["values"].copy(), given["observed"].copy()
        self._n_pushed, self._n_late = given["n_pushed"].copy(), given["n_late"].copy()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state, without the detector, to one safetensors file."""
        write_model_file(path, ModelFile(KIND, {"window": self._window}, self.state_dict()))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Restore a saved state. Raises ModelFileError for a damaged file or one of other streams."""
        file = read_model_file(path)
        if file.kind != KIND:
            raise ModelFileError(f"{os.fspath(path)} holds a {file.kind}, not the state of a stream")
        self.load_state_dict(file.tensors)

    # -- parts of push() -------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, np.ndarray]:
        """What push() changes, beside the clock."""
        counts = {"n_pushed": self._n_pushed, "n_late": self._n_late}
        return {"values": self._values, "observed": self._observed} | counts

    def _follow(self, times: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Empty streams after a gap, and write the steps that are missing before these times.

        times, which: (n,). Returns the numbers of those that are not late.
        """
        missing = self._clock.missing_before(times, which)
        kept = np.flatnonzero(missing != LATE)
        self._n_late[which[missing == LATE]] += 1
        self._n_pushed[which[missing == GAP]] = 0
        if not self._are_tokens:
            self._skip(which, np.maximum(missing, 0))
        self._clock.take(times[kept], which[kept])
        return kept

    def _skip(self, which: np.ndarray, n_steps: np.ndarray) -> None:
        """Write n_steps, (n,), without a value."""
        left = np.minimum(n_steps, self._window)
        while (late := which[left > 0]).size:
            self._write(np.full((len(late), *self._values.shape[1:]), np.nan), late)
            left = left - 1

    def _write(self, rows: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Each step is written twice, `window` rows apart. Returns the first row of each, (n,)."""
        place = which * 2 * self._window + self._n_pushed[which] % self._window
        is_known = ~np.isnan(rows)
        for at in (place, place + self._window):
            self._values[at] = np.where(is_known, rows, 0)
            self._observed[at] = is_known
        self._n_pushed[which] += 1
        return place

    def _first_rows(self, which: np.ndarray) -> np.ndarray:
        """Where the last `window` steps of each stream begin, (n,)."""
        return which * 2 * self._window + self._n_pushed[which] % self._window

    def _newest(self, starts: np.ndarray) -> np.ndarray:
        """The score of the last step of the window that starts at each row. Returns (n,)."""
        windows = Ragged.view(self._values, starts, np.full(len(starts), self._window, np.int64), self._observed)
        if windows.observed[windows.step_indices()].all():
            windows = Ragged.view(self._values, starts, windows.lengths)
        return self._scorer.last_scores(windows)

    def _checked(self, steps: ArrayLike, streams: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
        which = self._indices(streams)
        if self._are_tokens:
            return self._checked_tokens(steps, which), which
        n_channels = self._detector.learnt_.setting.n_channels
        rows = as_numbers(steps, "a step").astype(self._values.dtype, copy=False)
        if rows.ndim < 2 and len(which) == 1:
            rows = rows.reshape(1, -1)
        if rows.shape != (len(which), n_channels):
            raise InvalidSequence(
                f"steps must be ({len(which)}, {n_channels}), one row for each stream, got shape {np.shape(steps)}"
            )
        for row in unusable_rows(rows, allow_nan=True)[:1]:
            channel = unusable_channel(rows[row], allow_nan=True)
            raise unusable(f"stream {which[row]}, channel {channel}", rows[row, channel])
        return rows, which

    def _checked_tokens(self, steps: ArrayLike, which: np.ndarray) -> np.ndarray:
        tokens = as_numbers(steps, "a step").reshape(-1)
        if len(tokens) != len(which) or tokens.dtype.kind not in "iu":
            raise InvalidSequence(
                f"steps must be {len(which)} tokens, one for each stream, got {tokens.dtype} of shape {np.shape(steps)}"
            )
        if tokens.min() < 0 or tokens.max() >= 2**31:
            raise InvalidSequence(f"tokens are numbers from 0 to 2147483647, got {tokens.min()} to {tokens.max()}")
        return tokens.astype(np.int32)

    def _indices(self, streams: ArrayLike | None) -> np.ndarray:
        if streams is None:
            return np.arange(self.n_streams)
        which = np.atleast_1d(np.asarray(streams))
        is_valid = which.ndim == 1 and which.dtype.kind in "iu" and len(np.unique(which)) == len(which)
        if not is_valid or not len(which) or which.min() < 0 or which.max() >= self.n_streams:
            raise InvalidParameter(f"streams must be different numbers from 0 to {self.n_streams - 1}, got {streams!r}")
        return which.astype(np.int64)

    def _is_single(self, steps: ArrayLike) -> bool:
        return self.n_streams == 1 and np.ndim(steps) < 2
