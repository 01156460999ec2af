from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from seqae.errors import ModelFileError
from seqae.features.basis import fit_basis
from seqae.features.chunks import chunks, evenly, folds
from seqae.features.closed_form import (
    DECODING_WEIGHT,
    LENGTH_WEIGHT,
    PENALTIES,
    ClosedDecoder,
    ClosedEncoder,
    bounds_of_decoding,
    fit_closed_decoder,
    fit_closed_encoder,
    fit_correction,
    products_of,
    shared_out,
)
from seqae.features.description import (
    MOST_OF_STATISTICS,
    N_FEATURES,
    STATISTIC_WEIGHT,
    Description,
    features_of,
    fit_description,
    fit_shares,
)
from seqae.recurrence.convolutions import KERNELS
from seqae.sequences.ragged import Ragged
from seqae.sequences.scaling import fit_length_units
from seqae.storage.vetting import Arrays

from .naive import convolution
from .test_basis import loader, smooth

SEQUENCES = smooth(60, (10, 40), 2, seed=3)
FITTED = fit_closed_encoder(loader(SEQUENCES), 40, n_decoding=8, seed=0)
DECODER = fit_closed_decoder(loader(SEQUENCES), FITTED)
SIZES = {"latent_size": 40, "n_channels": 2}


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_chunks_are_bounded_and_complete() -> None:
    sequences = smooth(1200, (100, 300), 1)
    seen = [(which, some) for which, some in chunks(loader(sequences), np.arange(1200))]
    assert_array_equal(np.concatenate([which for which, _ in seen]), np.arange(1200))
    assert all(len(which) <= 512 and some.n_steps <= 1 << 17 for which, some in seen)
    for which, some in seen:
        assert_array_equal(some[0], sequences[which[0]])
    long = Ragged.back_to_back(np.zeros((1 << 18, 1), np.float32), np.array([(1 << 18) - 3, 3]))
    assert [list(which) for which, _ in chunks(loader(long), np.arange(2))] == [[0], [1]]


def test_a_sample_is_spread_evenly() -> None:
    assert_array_equal(evenly(5, 9), np.arange(5))
    chosen = evenly(1000, 30)
    assert len(chosen) == 30
    assert set(np.diff(chosen)) == {33, 34}


def test_folds_are_balanced_for_neighbours_and_multiples() -> None:
    for indices in (np.arange(400), 7 * np.arange(400), np.arange(100, 140)):
        counts = np.bincount(folds(indices, 4), minlength=4)
        assert counts.max() - counts.min() <= 0.1 * len(indices)


def test_usual_lengths() -> None:
    units = fit_length_units(np.array([10, 10, 10, 14]))
    assert (units.mean, units.longest) == (11, 14)
    assert_allclose(
        units.of(np.array([11, 28, 999])), [0, 17 / np.std([10, 10, 10, 14]), 17 / np.std([10, 10, 10, 14])]
    )
    assert not fit_length_units(np.array([7, 7])).of(np.array([3])).any()


@pytest.mark.parametrize("is_standardised", [False, True])
def test_thresholds_are_quantiles_of_outputs(is_standardised: bool) -> None:
    shares = fit_shares(loader(SEQUENCES), is_standardised=is_standardised, seed=1)
    which = shares.convolutions
    assert which.n_features == len(shares.thresholds) == N_FEATURES
    assert which.dilations[0] == 1
    assert which.dilations[-1] == 39 // 8
    kernel = [2.0 if tap in KERNELS[5] else -1.0 for tap in range(9)]
    parts = [(x - x.mean(0)) / x.std(0) if is_standardised else x for x in SEQUENCES]
    outputs = np.concatenate([convolution(x, which.channels[0, 5], kernel, 1) for x in parts])
    count = int(which.n_biases[0])
    for threshold in shares.thresholds[5 * count : 6 * count]:
        assert np.abs(outputs - threshold).min() < 1e-5
    spread = np.mean(outputs[:, None] <= shares.thresholds[5 * count : 6 * count], axis=0)
    assert spread.max() - spread.min() > 0.3
    assert_allclose(
        shares.of(SEQUENCES)[0, 5 * count], np.mean(outputs[: len(SEQUENCES[0])] > shares.thresholds[5 * count])
    )


def test_the_seed_decides_which_channels_are_summed() -> None:
    first, again, other = (fit_shares(loader(SEQUENCES), is_standardised=False, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(first.convolutions.channels, again.convolutions.channels)
    assert (first.convolutions.channels != other.convolutions.channels).any()


def test_a_description_is_pca_of_its_features() -> None:
    description = fit_description(loader(SEQUENCES), 10, seed=0)
    features = features_of(SEQUENCES, description.plain, description.standardised).astype(np.float64)
    used = features.std(axis=0) > 1e-6
    rows = (features[:, used] - features[:, used].mean(axis=0)) / features[:, used].std(axis=0)
    n_shares = used[: 2 * N_FEATURES].sum()
    rows[:, n_shares:] *= STATISTIC_WEIGHT
    scores = PCA(10, svd_solver="full").fit_transform(rows)
    assert_allclose(np.abs(description.of(SEQUENCES)), np.abs(scores), atol=2e-3)


def test_the_statistics_of_many_channels_are_held_down() -> None:
    many = smooth(30, (10, 12), 60, seed=4)
    description = fit_description(loader(many), 29, seed=0)
    features = features_of(many, description.plain, description.standardised).astype(np.float64)
    values = (features - features.mean(axis=0))[:, 2 * N_FEATURES :] @ description.weight[:, 2 * N_FEATURES :].T
    all_values = description.of(many)
    rows = features - features.mean(axis=0)
    power = [
        ((rows[:, part] / rows[:, part].std(axis=0).clip(1e-9)) ** 2).sum()
        for part in (slice(2 * N_FEATURES), slice(2 * N_FEATURES, None))
    ]
    assert STATISTIC_WEIGHT**2 * power[1] > power[0]
    assert (values**2).sum() / (all_values**2).sum() < 1.5 * MOST_OF_STATISTICS


def test_features_hold_arcsinh_of_the_statistics() -> None:
    description = fit_description(loader(SEQUENCES), 3, seed=0)
    features = features_of(SEQUENCES, description.plain, description.standardised)
    assert_allclose(features[:, -1], np.arcsinh(SEQUENCES.lengths), rtol=1e-6)
    assert_allclose(features[4, -13], np.arcsinh(SEQUENCES[4][:, 0].mean()), rtol=1e-5)


# -- the correction ----------------------------------------------------------------------------------------------------


def test_a_correction_is_a_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 6))
    residuals = values @ rng.normal(size=(6, 9)) + 0.1 * rng.normal(size=(200, 9))
    weights = fit_correction([products_of(values[k::4], residuals[k::4]) for k in range(4)], 2)
    ridge = Ridge(alpha=PENALTIES[0] * np.trace(values.T @ values) / 6, fit_intercept=False).fit(values, residuals)
    assert_allclose(weights, ridge.coef_.T, rtol=1e-8)


def test_a_correction_may_leave_out_what_decodes() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(24, 18))
    residuals = values[:, 16:] @ rng.normal(size=(2, 9)) + rng.normal(size=(24, 9))
    weights = fit_correction([products_of(values[k::4], residuals[k::4]) for k in range(4)], 16)
    assert not weights[:16].any()
    assert weights[16:].any()


def test_noise_is_not_corrected() -> None:
    rng = np.random.default_rng(2)
    values, residuals = rng.normal(size=(60, 6)), rng.normal(size=(60, 9))
    assert not fit_correction([products_of(values[k::4], residuals[k::4]) for k in range(4)], 2).any()


# -- shares of the budget ----------------------------------------------------------------------------------------------


def test_values_decode_where_more_varies_than_along_the_last_that_describes() -> None:
    of_features, of_curves = np.full(200, 0.005), np.array([0.01] * 50 + [0.0001] * 5000)
    assert shared_out(160, of_curves, of_features) == 50
    assert shared_out(160, of_curves * 3, of_features * 7) == 50
    assert shared_out(160, of_curves, of_features[:60]) == 99  # all that describes leaves so many
    assert shared_out(160, np.full(5000, 0.0001), of_features) == 40  # at least a quarter
    assert shared_out(80, np.full(5000, 0.0001), of_features) == 32  # at least half, up to 32
    assert shared_out(160, np.full(150, 0.1), of_features) == 120  # at most three quarters


@given(latent_size=st.integers(3, 2000))
def test_both_parts_of_a_vector_have_values(latent_size: int) -> None:
    least, most = bounds_of_decoding(latent_size)
    assert 1 <= least <= most <= latent_size - 2


def test_values_are_shared_out_by_the_data() -> None:
    fitted = fit_closed_encoder(loader(SEQUENCES), 40, seed=0)
    whole = fit_basis(loader(SEQUENCES), 30)
    n = shared_out(40, whole.variances, fit_description(loader(SEQUENCES), 39, seed=0).variances)
    assert 20 <= fitted.basis.n_components == n <= 30
    assert fitted.description.n_values == 39 - n
    assert_allclose(np.abs(fitted.basis.variances), whole.variances[:n], rtol=1e-9)


# -- the vector --------------------------------------------------------------------------------------------------------


def test_a_vector_is_a_rotation_of_what_decodes_what_describes_and_the_length() -> None:
    vectors = FITTED.encode(SEQUENCES)
    assert vectors.shape == (60, 40)
    assert vectors.dtype == np.float32
    parts = vectors @ FITTED.rotation.T / FITTED.scales
    n = FITTED.basis.n_components
    assert_allclose(parts[:, :n], FITTED.basis.encode(SEQUENCES), atol=1e-4)
    assert_allclose(parts[:, n:-1], FITTED.description.of(SEQUENCES), atol=1e-3)
    assert_allclose(np.mean(np.sum((parts * FITTED.scales)[:, n:-1] ** 2, axis=1)), 40, rtol=1e-4)
    assert_allclose(np.mean(np.sum((parts * FITTED.scales)[:, :n] ** 2, axis=1)), 40 * DECODING_WEIGHT**2, rtol=0.05)
    assert_allclose(FITTED.rotation @ FITTED.rotation.T, np.eye(len(FITTED.rotation)), atol=1e-12)


def test_a_vector_tells_the_length() -> None:
    direction = FITTED.length_direction
    assert_allclose(direction @ direction, LENGTH_WEIGHT**2 * 40)
    usual = FITTED.encode(SEQUENCES) @ direction / (direction @ direction)
    told = usual * FITTED.lengths.unit + FITTED.lengths.mean
    assert_array_equal(np.rint(told), SEQUENCES.lengths)


def test_a_vector_decodes() -> None:
    vectors = FITTED.encode(SEQUENCES)
    decoded = DECODER.decode(vectors, SEQUENCES.lengths)
    residual = np.mean((decoded.values - SEQUENCES.values) ** 2)
    plain = FITTED.basis.decode(FITTED.basis.encode(SEQUENCES), SEQUENCES.lengths)
    assert residual <= 1.02 * np.mean((plain.values - SEQUENCES.values) ** 2)
    assert [len(part) for part in DECODER.decode(vectors[:2], np.array([1, 500]))] == [1, 500]


def test_a_sequence_has_the_same_bits_alone_and_in_company() -> None:
    vectors = FITTED.encode(SEQUENCES)
    decoded = DECODER.decode(vectors, SEQUENCES.lengths)
    for i in (0, 31, 59):
        assert_array_equal(FITTED.encode(SEQUENCES[[i]]), vectors[[i]])
        assert_array_equal(DECODER.decode(vectors[[i]], SEQUENCES.lengths[[i]])[0], decoded[i])
    order = np.random.default_rng(0).permutation(60)
    assert_array_equal(FITTED.encode(SEQUENCES[order]), vectors[order])


@pytest.mark.parametrize("n_sequences", [1, 2, 5])
def test_few_sequences_still_give_vectors_of_the_size_that_was_asked_for(n_sequences: int) -> None:
    some = SEQUENCES[:n_sequences]
    fitted = fit_closed_encoder(loader(some), 64, n_decoding=16, seed=0)
    decoder = fit_closed_decoder(loader(some), fitted)
    assert fitted.encode(SEQUENCES).shape == (60, 64)
    assert np.isfinite(fitted.encode(SEQUENCES)).all()
    assert np.isfinite(decoder.decode(fitted.encode(some), some.lengths).values).all()


def test_equal_lengths_have_no_direction() -> None:
    sequences = smooth(20, (15, 15), 1)
    fitted = fit_closed_encoder(loader(sequences), 20, n_decoding=6, seed=0)
    assert not fitted.length_direction.any()


def test_missing_values_cost_little() -> None:
    observed = np.random.default_rng(0).random(SEQUENCES.values.shape) > 0.15
    values = np.where(observed, SEQUENCES.values, np.float32(1e9))
    masked = Ragged(values, SEQUENCES.starts, SEQUENCES.lengths, observed)
    vectors, whole = FITTED.encode(masked), FITTED.encode(SEQUENCES)
    near = np.linalg.norm(vectors - whole, axis=1)
    apart = np.linalg.norm(whole - whole.mean(axis=0), axis=1)
    assert near.mean() < 0.6 * apart.mean()


def test_it_is_the_same_from_its_arrays() -> None:
    again, decoder = (
        ClosedEncoder.from_arrays(Arrays(FITTED.to_arrays()), **SIZES),
        ClosedDecoder.from_arrays(Arrays(DECODER.to_arrays()), **SIZES),
    )
    vectors = FITTED.encode(SEQUENCES)
    assert_array_equal(again.encode(SEQUENCES), vectors)
    lengths = SEQUENCES.lengths
    assert_array_equal(decoder.decode(vectors, lengths).values, DECODER.decode(vectors, lengths).values)
    assert Description.from_arrays(Arrays(FITTED.description.to_arrays())).n_values == FITTED.description.n_values


@pytest.mark.parametrize("name", [*FITTED.to_arrays(), "decoder.mean", "decoder.weight"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    is_decoder = name.startswith("decoder.")
    arrays = DECODER.to_arrays() if is_decoder else FITTED.to_arrays()
    name = name.removeprefix("decoder.")
    make = ClosedDecoder.from_arrays if is_decoder else ClosedEncoder.from_arrays
    for wrong in (arrays[name][:0], arrays[name][..., None], np.array(1.0), arrays[name].astype("U3")):
        with pytest.raises(ModelFileError):
            make(Arrays(arrays | {name: wrong}), **SIZES)
    with pytest.raises(ModelFileError):
        make(Arrays({key: array for key, array in arrays.items() if key != name}), **SIZES)
    with pytest.raises(ModelFileError):
        make(Arrays(arrays), latent_size=40, n_channels=3)
