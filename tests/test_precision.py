"""Digits survive: a channel is centred in float64 before it becomes float32, whatever its mean and scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqae import Ragged, SequenceAutoencoder, load
from seqae.reading import read, take
from seqae.sequences.scaling import Scaling, fit_scaling

SETTINGS = {"hidden_size": 16, "latent_size": 8, "max_epochs": 60, "random_state": 0, "verbose": False}
OFFSETS = {
    "Unix seconds": (1.7e9, 300.0),
    "Unix milliseconds": (1.7e12, 3e5),
    "a counter": (3e8, 20.0),
    "a tiny scale": (0.0, 1e-30),
    "a tinier scale": (0.0, 1e-42),
    "a tiny scale on an offset": (5.0, 1e-10),
    "a huge scale": (1e15, 1e12),
}


def waves(n: int = 60) -> np.ndarray:
    """(n, 20, 2): a wave of its own phase in each channel, about 0 and of size 1."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (n, 1, 2))
    return np.sin(phase + 0.35 * np.arange(20)[None, :, None])


def explained(model: SequenceAutoencoder, X: np.ndarray) -> np.ndarray:
    """R2 of each channel, in the units of the data."""
    made = np.asarray(model.reconstruct(X).values, np.float64).reshape(X.shape)
    return 1 - ((made - X) ** 2).sum(axis=(0, 1)) / ((X - X.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    X = waves()
    return explained(SequenceAutoencoder(**SETTINGS).fit(X), X)


@pytest.mark.parametrize("name", OFFSETS)
def test_an_offset_costs_nothing(name: str, plain: np.ndarray) -> None:
    offset, scale = OFFSETS[name]
    X = waves() * [scale, 1.0] + [offset, 0.0]
    model = SequenceAutoencoder(**SETTINGS).fit(X)
    np.testing.assert_allclose(explained(model, X), plain, atol=0.01)


@pytest.mark.parametrize("name", OFFSETS)
def test_alone_or_in_company_saved_or_not_vectors_are_equal(tmp_path: Path, name: str) -> None:
    offset, scale = OFFSETS[name]
    X = waves(12) * [scale, 1.0] + [offset, 0.0]
    X[3, :, 0] = X[3, 0, 0]
    model = SequenceAutoencoder(**SETTINGS | {"max_epochs": 2}).fit(X)
    vectors = model.transform(X)
    for i in range(12):
        assert model.transform([X[i]])[0].tobytes() == vectors[i].tobytes()
    model.save(tmp_path / "m.seqae")
    assert load(tmp_path / "m.seqae").transform(X).tobytes() == vectors.tobytes()


def test_ordinary_data_is_rounded_first_and_its_bits_do_not_depend_on_how_it_came() -> None:
    X = waves(12)
    narrow = SequenceAutoencoder(**SETTINGS | {"max_epochs": 2}).fit(X.astype(np.float32))
    wide = SequenceAutoencoder(**SETTINGS | {"max_epochs": 2}).fit(X)
    assert not wide.scaling_.is_exact
    assert wide.transform(X).tobytes() == narrow.transform(X.astype(np.float32)).tobytes()


def test_files_and_frames_keep_their_digits(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": 1.7e12 + np.arange(6.0), "x": [0.1] * 5 + [0.3]})
    for suffix in ("csv", "parquet"):
        getattr(frame, f"to_{suffix}")(tmp_path / f"x.{suffix}", index=False)
        np.testing.assert_array_equal(read(tmp_path / f"x.{suffix}").ragged.values, frame)
    np.testing.assert_array_equal(take(frame).ragged.values, frame)
    assert take(frame[["x"]]).ragged.values.dtype == np.float32
    assert read(frame.astype({"t": "int16", "x": "float32"}, errors="ignore")[["x"]]).ragged.values.dtype == np.float32


@given(st.floats(-1e15, 1e15), st.floats(1e-3, 1e3), st.integers(0, 5))
@settings(max_examples=50)
def test_mean_and_deviation_are_those_of_exact_arithmetic(offset: float, scale: float, seed: int) -> None:
    from fractions import Fraction

    values = offset + scale * np.random.default_rng(seed).normal(size=(40, 1))
    fitted = fit_scaling(Ragged.from_any([values[:7], values[7:]]))
    exact = [Fraction(float(value)) for value in values[:, 0]]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    if len(set(exact)) == 1 or max(exact) - min(exact) <= 4 * np.finfo(np.float64).eps * max(map(abs, exact)):
        assert fitted.scale[0] == 1
        return
    assert fitted.scale[0] == pytest.approx(float(variance) ** 0.5, rel=1e-6)
    rounding = float(np.finfo(fitted.centre.dtype).eps) * abs(float(mean))
    assert abs(float(fitted.centre[0]) - float(mean)) <= rounding + 1e-6 * float(variance) ** 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7e8, 1.7e18 / 3, 1e-30])
def test_a_constant_channel_keeps_scale_1(dtype: type, constant: float) -> None:
    values = np.full((200_000, 1), constant, dtype)
    fitted = fit_scaling(Ragged.back_to_back(values, np.array([150_000, 50_000])))
    assert fitted.scale[0] == 1
    assert fitted.centre[0] == np.float32(constant)


def test_forward_and_undo_are_inverse() -> None:
    values = 1.7e9 + 300 * np.random.default_rng(0).normal(size=(50, 2))
    fitted = fit_scaling(Ragged.from_any([values]))
    scaled = fitted.forward(values)
    assert (fitted.is_exact, scaled.dtype) == (True, np.float32)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(fitted.undo(scaled), values, rtol=0, atol=1e-4)
    ordinary = Scaling(np.ones(2, np.float32), np.full(2, 2, np.float32))
    np.testing.assert_array_equal(ordinary.forward(np.array([[3.0, 5.0]])), [[1, 2]])
