from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import Ragged
from seqae.sequences import scaling
from seqae.sequences.scaling import fit_scaling, identity_scaling

from .conftest import make_ragged


@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=8), seed=st.integers(0, 3))
def test_is_mean_and_standard_deviation(lengths: list[int], seed: int) -> None:
    sequences = make_ragged(lengths, 3, seed=seed)
    fitted = fit_scaling(sequences)
    np.testing.assert_allclose(fitted.centre, sequences.values.mean(0), rtol=1e-5, atol=1e-6)
    if sequences.n_steps > 1:
        np.testing.assert_allclose(fitted.scale, sequences.values.std(0), rtol=1e-5)


def test_chunks_and_overlaps_count_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "CHUNK_STEPS", 7)
    series = make_ragged([50], 2)
    for sequences in (series, series.windows(10, 3)):
        steps = np.concatenate(list(sequences))
        fitted = fit_scaling(sequences)
        np.testing.assert_allclose(fitted.centre, steps.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(fitted.scale, steps.std(0), rtol=1e-5)


def test_small_spread_on_a_large_offset_survives() -> None:
    values = 1e6 + np.random.default_rng(0).normal(size=(10_000, 1))
    fitted = fit_scaling(Ragged.back_to_back(values, np.array([10_000])))
    assert fitted.scale[0] == pytest.approx(values.std(), rel=1e-4)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7e8])
def test_a_constant_channel_keeps_scale_1(constant: float) -> None:
    values = np.full((1000, 1), constant, np.float32)
    fitted = fit_scaling(Ragged.back_to_back(values, np.array([400, 600])))
    assert fitted.scale[0] == 1
    assert fitted.centre[0] == np.float32(constant)


def test_what_was_not_observed_does_not_count() -> None:
    values = np.array([[1.0], [999.0], [3.0]], np.float32)
    observed = np.array([[True], [False], [True]])
    fitted = fit_scaling(Ragged(values, np.array([0]), np.array([3]), observed))
    assert (fitted.centre[0], fitted.scale[0]) == (2, 1)


def test_undo_is_the_inverse_and_identity_changes_nothing() -> None:
    sequences = make_ragged([5, 6], 3, dtype=np.float32)
    fitted = fit_scaling(sequences)
    scaled = (sequences.values - fitted.centre) / fitted.scale
    np.testing.assert_allclose(fitted.undo(scaled), sequences.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(identity_scaling(3).undo(scaled), scaled)
