"""Scored channels: all are read, and what is said of the others does not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

import seqae
from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, Stream
from seqae.detection.series import Series, of_channels
from seqae.errors import InvalidParameter

from .test_cli_detect import run
from .test_detect import SPIKE, WINDOW, assert_same, autoencoder, detector, wave


def three(n_steps: int, seed: int = 0) -> np.ndarray:
    """Two channels that go together, and one of commands that are now and then 1."""
    commands = np.random.default_rng(seed + 100).random((n_steps, 1)) < 0.1
    return np.concatenate([wave(n_steps, seed), commands], axis=1).astype(np.float32)


def broken(channel: int) -> np.ndarray:
    x = three(500, 1)
    x[SPIKE[0] : SPIKE[1], channel] = 3
    return x


@pytest.fixture(scope="module")
def model() -> SequenceAutoencoder:
    return autoencoder().fit(Ragged.from_any([three(600)]).windows(WINDOW, 5))


def made(model: SequenceAutoencoder, **parameters: object) -> AnomalyDetector:
    return detector(autoencoder=FrozenEstimator(model), **parameters).fit([three(600, 3)])


def columns_of(fitted: AnomalyDetector, x: np.ndarray) -> np.ndarray:
    ((_, columns),) = fitted.scorer_.read(Series(Ragged.from_any([x])))
    return columns.values


@pytest.mark.parametrize("score", ["error", "linear"])
def test_errors_are_those_of_the_scored_channels_where_all_are_read(model: SequenceAutoencoder, score: str) -> None:
    x = broken(1)
    some = made(model, score=score, scored_channels=[1, 0])
    every = columns_of(made(model, score=score), x).reshape(len(x), -1, 3)[:, -1, [1, 0]]
    own = columns_of(some, x).reshape(len(x), -1, 2)[:, -1]
    np.testing.assert_array_equal(own, every)
    held_out = columns_of(some, three(600, 3)[-120:]).reshape(120, -1, 2)[:, -1]  # a fifth, as fit() holds out
    typical = np.maximum(np.sqrt((held_out**2).mean(axis=0)), 0.1)
    np.testing.assert_allclose(some.anomaly_score([x])[0][:, 0], (own / typical).mean(axis=1), rtol=1e-12)


def test_errors_of_predictions_are_of_the_scored_channels_too() -> None:
    composite = autoencoder("composite").fit(Ragged.from_any([three(600)]).windows(WINDOW, 5))
    some, every = (made(composite, score="combined", scored_channels=scored) for scored in ([2, 1], None))
    expected = columns_of(every, broken(1)).reshape(500, 2, 3)[:, :, [2, 1]]
    np.testing.assert_array_equal(columns_of(some, broken(1)).reshape(500, 2, 2), expected)


def test_nearest_compares_the_scored_channels_alone(model: SequenceAutoencoder) -> None:
    some = made(model, score="nearest", scored_channels=[1])
    alone = detector(score="nearest").fit([three(600, 3)[:, 1:2]])
    assert_same(some.anomaly_score([broken(1)])[0], alone.anomaly_score([broken(1)[:, 1:2]])[0])
    assert_same(some.anomaly_score([broken(2)])[0], some.anomaly_score([three(500, 1)])[0])


@pytest.mark.parametrize(
    "parameters", [{}, {"score": "mahalanobis"}, {"baseline": "pca"}, {"score": ("error", "linear")}]
)
def test_the_others_do_not_count_however_odd(model: SequenceAutoencoder, parameters: dict[str, object]) -> None:
    some, every = (made(model, scored_channels=scored, **parameters) for scored in ([0, 1], None))
    for channel in (0, 1):
        assert SPIKE[0] - WINDOW <= np.argmax(some.anomaly_score([broken(channel)])[0]) < SPIKE[1] + WINDOW
    rise = [
        np.max(fitted.anomaly_score([broken(2)])[0]) / np.max(fitted.anomaly_score([three(500, 1)])[0])
        for fitted in (some, every)
    ]
    assert rise[0] < rise[1]


def test_all_of_them_by_name_or_number_are_none_chosen(model: SequenceAutoencoder) -> None:
    expected = made(model).anomaly_score([broken(1)])[0]
    for scored in (("channel_0", "channel_1", "channel_2"), np.arange(3)):
        assert_same(made(model, scored_channels=scored).anomaly_score([broken(1)])[0], expected)


def test_shares_are_of_the_scored_channels(model: SequenceAutoencoder) -> None:
    found = made(model, scored_channels=["channel_2", "channel_1"]).detect([broken(1)])
    table = found.to_frame().to_pydict()
    assert [name for name in table if name.startswith("share")] == ["share_channel_2", "share_channel_1"]
    np.testing.assert_allclose(np.add(table["share_channel_2"], table["share_channel_1"]), 1)
    assert table["share_channel_1"][int(np.argmax(table["score"]))] > 0.5


@pytest.mark.parametrize("parameters", [{}, {"baseline": "pca"}])
def test_they_are_kept_and_streamed_to_the_bit(
    model: SequenceAutoencoder, parameters: dict[str, object], tmp_path: Path
) -> None:
    some = made(model, scored_channels=("channel_1",), **parameters)
    some.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    assert loaded.get_params()["scored_channels"] == ("channel_1",)
    assert loaded.detect([broken(1)]).intervals == some.detect([broken(1)]).intervals
    x = broken(1)[290:330]
    stream = Stream(loaded)
    streamed = np.array([stream.push(step) for step in x])[WINDOW - 1 :]
    windows = [some.anomaly_score([x[first : first + WINDOW]])[0][-1, 0] for first in range(len(streamed))]
    assert_same(streamed, np.array(windows))
    assert_same(some.anomaly_score([x, broken(2)])[0], some.anomaly_score([x])[0])


def test_automatic_scores_of_uneven_sequences_do_without_the_vector() -> None:
    X = [three(15 + k % 7, k) for k in range(20)]
    fitted = detector(window=None, scored_channels=[0]).fit(X)
    assert [part.score.name for part in fitted.scorer_.parts] == ["error"]
    assert np.isfinite(fitted.anomaly_score(X)).all()


def test_missing_values_of_other_channels_are_no_matter(model: SequenceAutoencoder) -> None:
    x = broken(1).astype(float)
    x[100], x[200, 2] = np.nan, np.nan
    scores = made(model, score="error", scored_channels=[1]).anomaly_score(Ragged.from_any([x], missing="mask"))[0]
    assert np.flatnonzero(np.isnan(scores[:, 0])).tolist() == [100]


def test_channels_of_views_are_those_of_copies() -> None:
    windows = Ragged.from_any([three(60)]).windows(10, 3)[3:7]
    for found, whole in zip(of_channels(windows, np.array([2, 0])), windows, strict=True):
        np.testing.assert_array_equal(found, whole[:, [2, 0]])
    assert of_channels(windows, None) is windows


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scored_channels": ["telemetry"]}, "names 'telemetry', but the channels are 'channel_0', .* or 0 to 2"),
        ({"scored_channels": [3]}, "names 3, but"),
        ({"scored_channels": [-1]}, "names -1, but"),
        ({"scored_channels": [True]}, "names True, but"),
        ({"scored_channels": [0, "channel_0"]}, "each channel once"),
        ({"scored_channels": []}, "a list of channel names"),
        ({"scored_channels": "channel_0"}, "a list of channel names"),
        ({"scored_channels": 1}, "a list of channel names"),
        ({"scored_channels": [0], "score": "latent"}, "all channels at once"),
    ],
)
def test_what_cannot_be_scored_is_named_before_training(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        detector(autoencoder=SequenceAutoencoder(max_epochs=10**9), **parameters).fit([three(300)])


def test_tokens_have_no_channels_to_choose() -> None:
    with pytest.raises(InvalidParameter, match="tokens are one"):
        AnomalyDetector(baseline="ngram", scored_channels=[0]).fit(Ragged.from_tokens([np.arange(5)] * 9))


def test_they_are_a_parameter_like_others(model: SequenceAutoencoder) -> None:
    assert clone(made(model, scored_channels=[0, 2])).scored_channels == [0, 2]


def test_on_the_command_line(model: SequenceAutoencoder, tmp_path: Path) -> None:
    for name, x in (("normal", three(600, 3)), ("today", broken(1))):
        pd.DataFrame(x, columns=["a", "b", "command"]).to_csv(tmp_path / f"{name}.csv", index=False)
    model.save(tmp_path / "m.seqae")
    arguments = (tmp_path / "today.csv", "--normal", tmp_path / "normal.csv", "--window", WINDOW, "--model")
    result = run(*arguments, tmp_path / "m.seqae", "-o", tmp_path / "found.csv", "--scored-channels", "b, a")
    assert result.exit_code == 0, result.output
    found = pd.read_csv(tmp_path / "found.csv")
    assert list(found.columns[-7:-5]) == ["share_b", "share_a"]
    assert list(found.columns[-5:]) == ["observed_b", "observed_a", "expected_b", "expected_a", "words"]
    result = run(*arguments, tmp_path / "m.seqae", "-o", tmp_path / "no.csv", "--scored-channels", "b,c")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--scored-channels names 'c', but the channels are 'a', 'b', 'command'" in result.stderr
