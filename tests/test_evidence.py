"""A score that nobody foresaw: one class of evidence and one line in the registry, from fit to file and stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pytest

import seqae
from seqae import AnomalyDetector, Ragged, Stream
from seqae.detection.evidence import registry
from seqae.detection.evidence.interface import Evidence, Score, Setting
from seqae.detection.series import scored_columns
from seqae.errors import InvalidParameter, ModelFileError
from seqae.storage.vetting import Arrays

from .test_detect import SPIKE, WINDOW, assert_same, autoencoder, broken_wave, detector, wave, whole_sequences


@dataclass(frozen=True, slots=True, eq=False)
class JumpEvidence(Evidence):
    """How far each step lies from the one before, beside the largest such jump in normal data."""

    name: ClassVar[str] = "jumps"
    offers: ClassVar[tuple[str, ...]] = ("jump",)
    scores: ClassVar[tuple[Score, ...]] = (Score("jump", ("jump",), measure="distance", of="vectors"),)

    kinds: tuple[str, ...]
    largest: np.ndarray
    channels: np.ndarray | None

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        return cls(kinds, np.max(np.abs(jumps(windows)), axis=0), setting.channels)

    def width(self, kind: str) -> int:
        return len(self.largest) if self.channels is None else len(self.channels)

    def read(self, windows: Ragged) -> list[np.ndarray]:
        return [scored_columns(np.abs(jumps(windows)) / self.largest, self.channels)]

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        return {"largest": self.largest}

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        return cls(kinds, arrays.take("largest", (setting.n_channels,), above=0.0), setting.channels)


def jumps(windows: Ragged) -> np.ndarray:
    return np.concatenate([np.diff(window, axis=0, prepend=window[:1]) for window in windows])


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EVIDENCE", (*registry.EVIDENCE, JumpEvidence))


def spiked() -> np.ndarray:
    x = wave(500, 1)
    x[SPIKE[0], 1] += 4
    return x


@pytest.mark.parametrize(
    "parameters",
    [
        {"score": "jump"},
        {"score": ("error", "jump", "linear")},
        {"score": ("jump", "error"), "baseline": "pca"},
        {"score": "jump", "scored_channels": [1]},
    ],
)
def test_it_goes_all_the_way(parameters: dict[str, object], tmp_path: Path) -> None:
    made = detector(autoencoder=autoencoder(max_epochs=1), **parameters).fit([wave(600)])
    found = made.detect([spiked()])
    assert any(interval.start <= SPIKE[0] < interval.end for interval in found.intervals)
    assert abs(int(np.nanargmax(found.scores[0])) - SPIKE[0]) < WINDOW
    made.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    np.testing.assert_array_equal(loaded.anomaly_score([spiked()]).values, made.anomaly_score([spiked()]).values)
    assert loaded.detect([spiked()]).intervals == found.intervals
    x, stream = spiked()[290:330], Stream(loaded)
    streamed = np.array([stream.push(step) for step in x])[WINDOW - 1 :]
    expected = [loaded.anomaly_score([x[end - WINDOW : end]])[0][-1, 0] for end in range(WINDOW, len(x) + 1)]
    assert_same(streamed, np.array(expected))


def test_its_numbers_are_its_own() -> None:
    made = detector(autoencoder=autoencoder(max_epochs=1), score="jump", window=None).fit(whole_sequences())
    x = spiked()[290:310]
    largest = np.max(np.abs(np.diff(wave(600)[:590], axis=0)), axis=0)
    read = made.scorer_.evidence[-1].read(Ragged.from_any([x]))[0]
    assert read.shape == (20, 2)
    assert (read[1:] >= np.abs(np.diff(x, axis=0)) / largest - 1e-6).all()  # trained on some of these sequences alone


def test_a_changed_file_of_it_is_refused(tmp_path: Path) -> None:
    saved = detector(autoencoder=autoencoder(max_epochs=1), score="jump").fit([wave(300)]).to_model_file()
    for array in (np.zeros(2, np.float32), np.ones(3, np.float32)):
        saved.tensors["evidence1.largest"] = array  # pyright: ignore[reportIndexIssue]
        with pytest.raises(ModelFileError, match=r"evidence1\.largest"):
            AnomalyDetector.from_model_file(saved)


def test_it_is_unknown_where_it_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = detector(autoencoder=autoencoder(max_epochs=1), score="jump").fit([wave(300)]).to_model_file()
    monkeypatch.setattr(registry, "EVIDENCE", registry.EVIDENCE[:-1])
    with pytest.raises(ModelFileError, match="jumps, which this seqae does not know"):
        AnomalyDetector.from_model_file(saved)
    with pytest.raises(InvalidParameter, match="score must be one of 'error'"):
        detector(score="jump").fit([broken_wave()])
    with pytest.raises(InvalidParameter, match="score must be one of"):
        detector(score=("error", "jump")).fit([broken_wave()])


def test_every_score_has_a_name_of_its_own_and_evidence_for_it() -> None:
    names = [score.name for kind in registry.EVIDENCE for score in kind.scores]
    assert len(set(names)) == len(names) == 11
    for kind in registry.EVIDENCE:
        for score in kind.scores:
            assert set(score.kinds) <= {*kind.offers, *kind.leads}
