"""The progress of training and of long scoring: when it shows, how far it gets, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from rich.console import Console

from seqae.detection.detector import AnomalyDetector
from seqae.training import history
from seqae.training.history import Epoch, Meter, ProgressBar, tracked


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
    assert history.FEWEST_UNITS == 5000


class Clock:
    """A clock that goes on by so many seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self.seconds, self.step = 0.0, step

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


def test_a_bar_shows_epochs_and_losses_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=100, record=True)
    bar = ProgressBar(console)
    bar.on_train_start(10, 5, 2)
    bar.on_batch_end()
    bar.on_epoch_end(Epoch(3, 0.5, 0.25, 0.1, 1.0))
    bar.on_train_end()
    text = console.export_text()
    assert "epoch 3/10" in text
    assert "22%" in text
    assert "0.2500" in text


def test_elsewhere_a_line_comes_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("epoch 0/10", 100, done=20, now=Clock(0.5))
    for k in range(40):
        meter.tell(f"epoch {k}/10", "loss 0.5")
        meter.advance(2)
    meter.stop()
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert all("loss 0.5" in line and "s left" in line for line in lines)
    shares = [int(line.split(", ")[1].rstrip("%")) for line in lines]
    assert shares == sorted(set(shares))
    assert 2 <= len(lines) <= 40 * 3 * 0.5 / history.SECONDS_BETWEEN_LINES


def test_time_left_follows_from_what_was_done_here(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("scoring", 100, done=60, now=iter([0.0, 0.0, 10.0, 10.0, 10.0]).__next__)
    meter.advance(20)
    assert capsys.readouterr().err == "scoring, 80%, 10 s left\n"


def test_short_training_is_silent_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    from seqae import SequenceAutoencoder

    SequenceAutoencoder(latent_size=2, hidden_size=3, max_epochs=2, random_state=0).fit([series(9), series(7)])
    assert capfd.readouterr() == ("", "")
