"""The progress bar of long scoring: when it shows, how far it gets, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from seqae.detection import progress
from seqae.detection.detector import AnomalyDetector
from seqae.detection.progress import tracked


def series(n_steps: int) -> np.ndarray:
    return np.sin(np.arange(n_steps, dtype=np.float32) / 3)[:, None]


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return AnomalyDetector(baseline="pca", window=10, verbose=False).fit([series(400)])


@pytest.mark.parametrize(
    ("verbose", "n_steps", "is_shown"),
    [("auto", 5100, True), (True, 5100, True), (False, 5100, False), (True, 900, False)],
)
def test_it_shows_on_a_terminal_for_long_series(
    fitted: AnomalyDetector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verbose: bool,
    n_steps: int,
    is_shown: bool,
) -> None:
    quiet = fitted.set_params(verbose=False).anomaly_score([series(n_steps)])
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    shown = fitted.set_params(verbose=verbose).anomaly_score([series(n_steps)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("scoring" in captured.err) == is_shown
    assert ("100%" in captured.err) == is_shown
    np.testing.assert_array_equal(shown[0], quiet[0])


def test_it_stays_away_where_there_is_no_terminal(fitted: AnomalyDetector, capsys: pytest.CaptureFixture[str]) -> None:
    fitted.set_params(verbose=True).anomaly_score([series(5100)])
    assert capsys.readouterr().err == ""


def test_what_is_done_adds_up(fitted: AnomalyDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    @contextmanager
    def counted(verbose: object, count: Callable[[], int]) -> Iterator[Callable[[int], None]]:
        done.append(count())
        yield done.append

    monkeypatch.setattr("seqae.detection.detector.tracked", counted)
    fitted.anomaly_score([series(700), series(300)])
    assert done[0] == sum(done[1:]) == 691 + 291


def test_units_are_counted_only_where_a_bar_may_show() -> None:
    with tracked(False, lambda: pytest.fail("counted")) as track:
        track(1)
    assert progress.FEWEST_UNITS == 5000
