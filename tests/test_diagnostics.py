"""Each rule has data that it is about, and data that it is not about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from seqae import Ragged, SequenceAutoencoder, load
from seqae.model.presets import Architecture
from seqae.training.diagnostics import Measured, of_model, of_training

from .conftest import make_waves


def fitted(X: object, **given: object) -> SequenceAutoencoder:
    settings = {"architecture": "linear", "latent_size": 8, "random_state": 0, "verbose": False} | given
    return SequenceAutoencoder(**settings).fit(X)  # pyright: ignore[reportArgumentType]


def told(model: SequenceAutoencoder) -> str:
    return "\n".join(model.history_.diagnostics)


GOOD = Measured(
    n_sequences=50, whole=0.9, explained=(0.9, 0.9), is_constant=(False, False), n_unused=0, n_values=8, greatest=3.0,
    other_vector=4.0, dominance=0.1, length_share=0.1, least_deviation=0.9, greatest_deviation=1.1, greatest_mean=0.1,
    linear=0.8, is_relu=False,
)  # fmt: skip


def test_nothing_is_said_of_a_good_model() -> None:
    assert of_model(GOOD) == []
    falling = [1.0, 0.5, 0.4, 0.35, 0.33, 0.32, 0.31, 0.305, 0.302, 0.3, 0.299]
    assert of_training(falling, falling, 11, is_falling=False, adds=0.1) == []
    assert told(fitted(make_waves(60, seed=0, shortest=20, longest=20), latent_size=16)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"whole": 0.01, "explained": (0.01, 0.01), "linear": None}, "collapsed"),
        ({"explained": (0.9, 0.0)}, "Not reconstructed: channels 1"),
        ({"n_unused": 4}, "4 of the 8 values"),
        ({"other_vector": 1.0}, "ignores the vector"),
        ({"greatest_deviation": 50.0}, "not scaled"),
        ({"greatest_mean": 50.0}, "not scaled"),
        ({"is_relu": True, "greatest": 1e5}, "exploded"),
        ({"dominance": 0.7}, "One sequence has 70%"),
        ({"linear": 0.9}, "A linear method does as well"),
        ({"length_share": 0.8}, "how long a sequence is"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_rule_alone(change: dict, words: str) -> None:
    (line,) = of_model(replace(GOOD, **change))
    assert words in line
    assert "\n" not in line


def test_constant_channels_need_no_reconstruction() -> None:
    assert of_model(replace(GOOD, explained=(0.9, 0.0), is_constant=(False, True))) == []


def test_rules_of_training() -> None:
    falling = list(1 / np.arange(1, 12))
    (line,) = of_training(falling, None, 11, is_falling=True, adds=None)
    assert "max_epochs=22" in line
    assert of_training(falling, None, 11, is_falling=False, adds=None) == []
    rising = [1.0, 0.5, 0.4, *np.linspace(0.45, 0.9, 8)]
    (line,) = of_training(falling, rising, 3, is_falling=False, adds=None)
    assert "overfits: since epoch 3" in line
    (line,) = of_training(falling, falling, 11, is_falling=False, adds=0.001)
    assert "'linear' does as well" in line
    short = fitted(make_waves(20, seed=0), architecture="repeat", hidden_size=8, max_epochs=2)
    assert "still falling" in told(short)


def test_noise_collapses_and_waves_do_not() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(40, 1)) for _ in range(60)]
    short = {"architecture": "repeat", "latent_size": 2, "hidden_size": 8, "max_epochs": 3}
    assert "collapsed" in told(fitted(noise, **short))
    assert "collapsed" not in told(fitted(make_waves(60, seed=0)))


def test_a_channel_of_noise_is_named() -> None:
    rng = np.random.default_rng(0)
    waves = make_waves(200, seed=0, shortest=30, longest=60)
    noisy = [np.column_stack([wave, rng.normal(size=len(wave))]) for wave in waves]
    assert "Not reconstructed: channels 2 (" in told(fitted(noisy))
    assert "Not reconstructed" not in told(fitted(waves))


def test_a_linear_method_does_as_well_as_a_short_training() -> None:
    waves = make_waves(128, seed=0, shortest=20, longest=20)
    short = {"architecture": "repeat", "hidden_size": 16, "max_epochs": 2}
    assert "A linear method does as well: PCA" in told(fitted(waves, **short))
    assert "A linear method" not in told(fitted(waves[:20], **short))  # too few to tell


def test_unscaled_channels() -> None:
    waves = [wave * [1, 1000] for wave in make_waves(40, seed=0)]
    assert "not scaled" in told(fitted(waves, scale=False))
    assert "not scaled" not in told(fitted(waves))


def test_one_broken_sequence_dominates() -> None:
    waves = make_waves(60, seed=0, shortest=20, longest=20)
    short = {"architecture": "repeat", "hidden_size": 8, "max_epochs": 2, "validation_fraction": 0.0}
    assert "One sequence" not in told(fitted(waves, **short))
    waves[5] = waves[5] + 40 * np.random.default_rng(0).normal(size=waves[5].shape)
    assert "One sequence has" in told(fitted(waves, **short))


def test_vectors_that_do_not_vary() -> None:
    flat = [np.full((4, 1), k % 2) for k in range(30)]
    assert "decoder" not in told(fitted(make_waves(60, seed=0)))
    lines = told(fitted([np.ones((4, 1))] * 30, architecture="reshape", latent_size=8, hidden_size=4, max_epochs=1))
    assert "8 of the 8 values" in lines
    assert "of the 8 values" not in told(fitted(flat, architecture="repeat", hidden_size=4, max_epochs=1))


def test_lengths_that_leak() -> None:
    rng = np.random.default_rng(0)
    alike = [np.full((n, 1), 1.0) + 0.01 * rng.normal(size=(n, 1)) for n in rng.integers(2, 40, 60)]
    short = {"architecture": "repeat", "hidden_size": 8, "max_epochs": 2}
    assert "how long a sequence is" in told(fitted(alike, **short))
    assert "how long" not in told(fitted(make_waves(60, seed=0, shortest=20, longest=20), **short))


def test_numbers_are_those_of_numpy() -> None:
    waves = make_waves(120, seed=0)
    model = fitted(waves)
    of = model.history_.measured
    assert of is not None
    ragged = Ragged.from_any(waves)
    errors = (np.concatenate(waves) - model.reconstruct(waves).values) / model.scaling_.scale
    scaled = (np.concatenate(waves) - np.concatenate(waves).mean(axis=0)) / model.scaling_.scale
    assert of.whole == pytest.approx(1 - (errors**2).sum() / (scaled**2).sum(), rel=1e-5)
    assert of.explained == pytest.approx(1 - (errors**2).sum(0) / (scaled**2).sum(0), rel=1e-5)
    sums = np.add.reduceat((errors**2).sum(1), ragged.starts)
    assert of.dominance == pytest.approx(sums.max() / sums.sum(), rel=1e-5)
    vectors = model.transform(waves)
    ignored = model.inverse_transform(np.roll(vectors, 1, axis=0), ragged.lengths).values - np.concatenate(waves)
    assert of.other_vector == pytest.approx(((ignored / model.scaling_.scale) ** 2).sum() / (errors**2).sum(), rel=1e-4)
    slopes = [np.corrcoef(ragged.lengths, column)[0, 1] ** 2 * column.var() for column in vectors.T.astype(float)]
    assert of.length_share == pytest.approx(sum(slopes) / vectors.var(axis=0).sum(), rel=1e-4)
    assert of.linear is None  # of a closed form


def test_linear_is_pca() -> None:
    waves = make_waves(60, seed=0, shortest=9, longest=9)
    short = fitted(waves, architecture="repeat", hidden_size=8, max_epochs=1, validation_fraction=0.0)
    rows = np.stack([((wave - np.concatenate(waves).mean(axis=0)) / short.scaling_.scale).ravel() for wave in waves])
    pca = PCA(8).fit(rows)
    again = pca.inverse_transform(pca.transform(rows))
    assert short.history_.measured is not None
    assert short.history_.measured.linear == pytest.approx(1 - ((rows - again) ** 2).sum() / (rows**2).sum(), rel=1e-5)


def test_relu_is_seen_and_nothing_is_measured_of_what_only_predicts(tmp_path: Path) -> None:
    relu = fitted(make_waves(20, seed=0), architecture=Architecture(activation="relu"), hidden_size=4, max_epochs=1)
    assert relu.history_.measured is not None
    assert relu.history_.measured.is_relu
    relu.save(tmp_path / "m.seqae")
    assert load(tmp_path / "m.seqae").history_ == relu.history_
    assert fitted(make_waves(20, seed=0)).history_.measured is not None
