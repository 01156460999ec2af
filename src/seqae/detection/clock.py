"""The times of streams: which steps come late, how many are missing before one, and where gaps are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidSequence, ModelFileError
from .gaps import PAST_STEPS, MaxGap, fitting, missing_within

LATE, GAP = -2, -1


class Clock:
    """Tells from the times of each stream what segments_of() tells from those of a whole series, step by step.

    n_streams: the number of streams. max_gap: see AnomalyDetector. Times are numbers or datetimes, the same for all.
    """

    def __init__(self, n_streams: int, max_gap: MaxGap) -> None:
        self._max_gap = max_gap
        self._last: np.ndarray | None = None
        self._past = np.zeros((n_streams, PAST_STEPS))
        self._n_steps = np.zeros(n_streams, np.int64)

    def missing_before(self, times: np.ndarray, which: np.ndarray) -> np.ndarray:
        """How many steps are missing before a next one; GAP after a gap, LATE if it comes after a later one or twice.

        times, which: (n,) of different streams. Returns (n,). Raises InvalidSequence for times of another kind than
        those before.
        """
        if self._last is not None and self._last.dtype != times.dtype:
            raise InvalidSequence(f"times must stay of one kind, which is {self._last.dtype}, got {times.dtype}")
        longest, apart = fitting(self._max_gap, times), self._apart(times, which)
        found = np.zeros(len(which), np.int64)
        n_past = np.minimum(self._n_steps[which] - 1, PAST_STEPS)
        is_late = (n_past >= 0) & (apart <= 0)
        found[is_late] = LATE
        for n in np.unique(n_past[(n_past >= 0) & ~is_late]):
            same = np.flatnonzero((n_past == n) & ~is_late)
            past = self._past[which[same], :n] if n else apart[same, None]
            found[same] = missing_within(apart[same], past, longest)
        return found

    def take(self, times: np.ndarray, which: np.ndarray) -> None:
        """Remember times that are not late. times, which: (n,)."""
        apart = self._apart(times, which)
        if self._last is None:
            self._last = np.zeros(len(self._n_steps), times.dtype)
        again = np.flatnonzero(self._n_steps[which] > 0)
        place = which[again]
        is_full = self._n_steps[place] > PAST_STEPS
        self._past[place[is_full], :-1] = self._past[place[is_full], 1:]
        self._past[place, np.minimum(self._n_steps[place], PAST_STEPS) - 1] = apart[again]
        self._last[which] = times
        self._n_steps[which] += 1

    def reset(self, which: np.ndarray) -> None:
        """Forget the times of streams."""
        self._n_steps[which] = 0

    def state_dict(self) -> dict[str, np.ndarray]:
        """What take() changes, as arrays by name; none before the first."""
        if self._last is None:
            return {}
        last = self._last.astype(np.int64 if self._last.dtype.kind == "M" else np.float64)
        return {"last_times": last, "past_times": self._past.copy(), "n_times": self._n_steps.copy()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore a state of state_dict(). Raises ModelFileError for the state of other streams."""
        if "last_times" not in state:
            self._last, self._n_steps = None, np.zeros_like(self._n_steps)
            return
        shapes = {"last_times": self._n_steps.shape, "past_times": self._past.shape, "n_times": self._n_steps.shape}
        kinds = {"last_times": "if", "past_times": "f", "n_times": "i"}
        for name, shape in shapes.items():
            saved = state.get(name)
            if (
                saved is None
                or saved.shape != shape
                or saved.dtype.kind not in kinds[name]
                or saved.dtype.itemsize != 8
            ):
                raise ModelFileError(f"the state does not fit: {name} must be of shape {shape}")
        if state["n_times"].min() < 0 or not np.isfinite(state["past_times"]).all() or state["past_times"].min() < 0:
            raise ModelFileError("the state is damaged: it holds times that push() does not take")
        last = state["last_times"]
        self._last = last.copy() if last.dtype.kind == "f" else last.astype("M8[ns]")
        self._past, self._n_steps = state["past_times"].copy(), state["n_times"].copy()

    def _apart(self, times: np.ndarray, which: np.ndarray) -> np.ndarray:
        """The difference of each time to the last one, datetimes in nanoseconds. Returns (n,) float64."""
        if self._last is None:
            return np.zeros(len(which))
        apart = times - self._last[which]
        return apart / np.timedelta64(1, "ns") if apart.dtype.kind == "m" else apart


def as_times(times: ArrayLike, n: int) -> np.ndarray:
    """Times of n steps, (n,) float64, or datetime64[ns] in UTC. Raises InvalidSequence for others, and missing ones."""
    found = np.atleast_1d(np.asarray(times))
    if all(isinstance(time, datetime) for time in found.ravel().tolist()) and found.dtype.kind == "O":
        found = np.array([_in_utc(time) for time in found], "M8[ns]")
    if found.dtype.kind in "iufM":
        found = found.astype("M8[ns]" if found.dtype.kind == "M" else np.float64)
    if found.dtype.kind not in "fM" or found.shape != (n,) or not np.isfinite(found).all():
        raise InvalidSequence(f"times must be {n} numbers or datetimes, one for each step, none missing, got {times!r}")
    return found


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
