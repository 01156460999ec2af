"""impute(): only what is missing changes, and it is filled from the reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqae import Ragged, SequenceAutoencoder, read

from .test_cli import COLUMNS, seqae

RNG = np.random.default_rng(0)
PHASES, LENGTHS = RNG.uniform(0, 6, 80), RNG.integers(20, 60, 80)
WHOLE = [
    3 * np.stack([np.sin(np.arange(n) / 5 + p), np.cos(np.arange(n) / 5 + p)], 1) + 10
    for n, p in zip(LENGTHS, PHASES, strict=True)
]


@pytest.fixture(scope="module")
def ae() -> SequenceAutoencoder:
    return SequenceAutoencoder(quality="fast", random_state=0, verbose=False).fit(WHOLE)


def holed(x: np.ndarray, *where: Any) -> tuple[np.ndarray, np.ndarray]:
    """x with NaN there, and where it has them."""
    holes = np.zeros(x.shape, bool)
    for place in where:
        holes[place] = True
    return np.where(holes, np.nan, x), holes


def test_missing_values_and_whole_missing_steps_are_filled_from_the_sequence(ae: SequenceAutoencoder) -> None:
    for i, places in ((0, (np.s_[5:9],)), (1, (np.s_[::3, 0], np.s_[1::4, 1])), (2, (np.s_[-2:],))):
        x, holes = holed(WHOLE[i], *places)
        filled = ae.impute([x])
        assert filled.observed is None
        np.testing.assert_array_equal(filled[0][~holes], WHOLE[i][~holes])
        np.testing.assert_array_equal(
            filled[0][holes], ae.reconstruct(Ragged.from_any([x]))[0][holes].astype(np.float64)
        )
        spread = np.sqrt(np.mean((WHOLE[i] - 10)[holes] ** 2))
        assert np.sqrt(np.mean((filled[0] - WHOLE[i])[holes] ** 2)) < 0.05 * spread


def test_a_channel_that_a_sequence_lacks_is_told_from_its_other_channels(ae: SequenceAutoencoder) -> None:
    errors, spreads = [], []
    for x in WHOLE[:20]:
        error = ae.impute([holed(x, np.s_[:, 1])[0]])[0][:, 1] - x[:, 1]
        errors.append(np.mean(error**2))
        spreads.append(np.mean((x[:, 1] - 10) ** 2))
    assert np.mean(errors) < 0.8 * np.mean(spreads)


def test_of_a_sequence_observed_nowhere_the_usual_is_told(ae: SequenceAutoencoder) -> None:
    nowhere = np.full((7, 2), np.nan)
    filled = ae.impute([WHOLE[0], nowhere])
    np.testing.assert_array_equal(filled[0], WHOLE[0])
    np.testing.assert_array_equal(filled[1], np.tile(ae.scaling_.centre, (7, 1)))
    np.testing.assert_allclose(ae.scaling_.centre, np.concatenate(WHOLE).mean(axis=0), atol=0.3)
    unscaled = SequenceAutoencoder(quality="fast", scale=False, random_state=0, verbose=False).fit(WHOLE)
    np.testing.assert_array_equal(unscaled.impute([nowhere])[0], np.zeros((7, 2)))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**16), share=st.floats(0, 1))
def test_only_holes_change_whatever_is_missing(ae: SequenceAutoencoder, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    X = [np.where(rng.random((n, 2)) < share, np.nan, rng.normal(10, 3, (n, 2))) for n in rng.integers(1, 12, 5)]
    filled = ae.impute(X)
    for given_one, x in zip(X, filled, strict=True):
        assert np.isfinite(x).all()
        np.testing.assert_array_equal(x[~np.isnan(given_one)], given_one[~np.isnan(given_one)])


def test_nothing_missing_is_nothing_done(ae: SequenceAutoencoder) -> None:
    ragged = Ragged.from_any(WHOLE)
    assert ae.impute(ragged).values is ragged.values
    names = SequenceAutoencoder("hybrid_tokens", quality="fast", random_state=0, verbose=False).fit(["anna", "bob"] * 4)
    assert [(names.vocabulary_ or ())[token] for token in names.impute(["bob"])[0]] == list("bob")


def test_windows_and_frames_with_channels_in_another_order(ae: SequenceAutoencoder) -> None:
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in WHOLE]
    model = SequenceAutoencoder(quality="fast", random_state=0, verbose=False).fit(frames)
    x, _ = holed(WHOLE[0], np.s_[4:6])
    turned = pd.DataFrame(x, columns=["a", "b"])[["b", "a"]]
    np.testing.assert_array_equal(model.impute([turned]).values, model.impute([x]).values)
    windows = read([x], missing="mask").windows(10, 5)
    np.testing.assert_array_equal(ae.impute(windows)[0], ae.impute([x[:10]])[0])


def test_the_command_fills_and_keeps_ids_times_and_digits(tmp_path: Path) -> None:
    rows = [(f"p{i}", t, *np.round(row, 9)) for i, x in enumerate(WHOLE) for t, row in enumerate(x)]
    table = pd.DataFrame(rows, columns=["person", "second", "x", "y"])
    table.to_csv(tmp_path / "whole.csv", index=False)
    seqae("fit", tmp_path / "whole.csv", *COLUMNS, "--quality", "fast", "-o", tmp_path / "m.seqae")
    with_holes = table.assign(x=table["x"].where(np.arange(len(table)) % 7 > 0))
    with_holes.to_csv(tmp_path / "holes.csv", index=False)
    said = seqae("impute", tmp_path / "m.seqae", tmp_path / "holes.csv", *COLUMNS, "-o", tmp_path / "filled.csv")
    assert f"{with_holes['x'].isna().sum():,} values filled" in said
    filled, is_hole = pd.read_csv(tmp_path / "filled.csv"), with_holes["x"].isna()
    pd.testing.assert_frame_equal(filled[~is_hole], table[~is_hole])
    pd.testing.assert_frame_equal(filled.drop(columns="x"), table.drop(columns="x"))
    assert np.abs(filled["x"] - table["x"])[is_hole].mean() < 0.1
