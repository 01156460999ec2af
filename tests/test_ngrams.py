"""Counted runs of tokens, against a count by hand; the vectors that they are part of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import seqae
from seqae import Ragged, SequenceAutoencoder
from seqae.errors import InvalidParameter, ModelFileError
from seqae.features.ngrams import N_FEATURES, N_PLACES, ORDERS, NGrams, fit_ngrams, frequencies
from seqae.model.architecture import Architecture, Counts, EncoderPlan, Identity, LatentPlan, Symbols
from seqae.sequences.scaling import identity_scaling
from seqae.storage.vetting import Arrays
from seqae.training.batching import BatchLoader

WORDS = 2**64


def place(run: tuple[int, ...]) -> int:
    """The hash, in Python's whole numbers."""
    mixed = len(run)
    for token in run:
        mixed = (mixed ^ token) * 0x9E3779B97F4A7C15 % WORDS
        mixed ^= mixed >> 29
    return mixed % N_PLACES


def counted(tokens: list[int]) -> np.ndarray:
    """The features of one sequence, run by run."""
    own = [int(token) + 2 for token in tokens]
    features = np.zeros((len(ORDERS), N_PLACES))
    for k, order in enumerate(ORDERS):
        steps = own if order == 1 else [0, *own, 1]
        runs = [tuple(steps[i : i + order]) for i in range(len(steps) - order + 1)]
        for run, count in Counter(runs).items():
            features[k, place(run)] += count / len(runs)
    return np.sqrt(features).reshape(-1)


def drawn(n: int, n_symbols: int = 9, seed: int = 0) -> Ragged:
    rng = np.random.default_rng(seed)
    return Ragged.from_tokens([rng.integers(0, n_symbols, k) for k in rng.integers(1, 15, n)])


def loader(tokens: Ragged) -> BatchLoader:
    return BatchLoader(tokens, identity_scaling(1))


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 2**31 - 3), min_size=1, max_size=12), min_size=1, max_size=5))
def test_runs_are_counted_one_by_one(sequences: list[list[int]]) -> None:
    found = frequencies(Ragged.from_tokens([np.array(tokens) for tokens in sequences]))
    assert_allclose(found, [counted(tokens) for tokens in sequences], rtol=1e-6)


def test_values_are_principal_components_in_a_rotation() -> None:
    tokens = drawn(200)
    values = fit_ngrams(loader(tokens), 12, seed=0).of(tokens).astype(np.float64)
    features = np.stack([counted(list(sequence)) for sequence in tokens])
    u, s, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    scores = u[:, :12] * s[:12]
    scores *= np.sqrt(12 * 200 / (scores**2).sum())
    assert_allclose(values @ values.T, scores @ scores.T, atol=1e-3)
    assert_allclose((values**2).mean(), 1, rtol=1e-4)


def test_values_have_the_same_bits_alone() -> None:
    tokens = drawn(700)
    learnt = fit_ngrams(loader(tokens), 6, seed=0)
    whole = learnt.of(tokens)
    for i in (0, 5, 512, 699):
        assert_array_equal(learnt.of(tokens[np.array([i])])[0], whole[i])


def test_equal_sequences_have_no_direction() -> None:
    tokens = Ragged.from_tokens([np.array([1, 2])] * 3)
    learnt = fit_ngrams(loader(tokens), 4, seed=0)
    assert learnt.weight.shape == (4, N_FEATURES)
    assert not learnt.of(tokens).any()


def test_arrays_of_other_sizes_are_refused() -> None:
    arrays = fit_ngrams(loader(drawn(30)), 4, seed=0).to_arrays()
    assert_array_equal(NGrams.from_arrays(Arrays(arrays), n_values=4).weight, arrays["weight"])
    for name in arrays:
        for wrong in (arrays[name][:3], arrays[name].astype(np.float64)):
            with pytest.raises(ModelFileError):
                NGrams.from_arrays(Arrays(arrays | {name: wrong}), n_values=4)


# -- in a vector -------------------------------------------------------------------------------------------------------


def fitted(latent_size: int = 12, **own: object) -> SequenceAutoencoder:
    settings = {"hidden_size": 6, "max_epochs": 2, "random_state": 0, "verbose": False} | own
    return SequenceAutoencoder("hybrid_tokens", latent_size=latent_size, **settings).fit(drawn(60))  # pyright: ignore[reportArgumentType]


def test_a_vector_decodes_by_its_first_values_alone() -> None:
    ae, tokens = fitted(), drawn(20, seed=1)
    vectors = ae.transform(tokens)
    assert vectors.shape == (20, 12)
    assert ae.encoder_.n_decoding == 6
    other = vectors.copy()
    other[:, 6:] = 9.0
    assert_array_equal(ae.inverse_transform(other, tokens.lengths).values, ae.reconstruct(tokens).values)
    assert_array_equal(ae.lengths_of(other), ae.lengths_of(vectors))
    assert_array_equal(vectors[:, 6:], ae.encoder_.ngrams.closed_form.value.of(tokens))  # pyright: ignore


def test_it_is_learnt_from_the_training_part_and_kept_in_a_file(tmp_path: Path) -> None:
    ae, tokens = fitted(), drawn(20, seed=1)
    ae.save(tmp_path / "m.seqae")
    assert_array_equal(seqae.load(tmp_path / "m.seqae").transform(tokens), ae.transform(tokens))
    assert_array_equal(fitted(max_epochs=1).transform(tokens)[:, 6:], ae.transform(tokens)[:, 6:])


def test_it_continues_sequences() -> None:
    plan = seqae.model.presets.PRESETS["hybrid_tokens"].predicting(1)
    ae = SequenceAutoencoder(plan, latent_size=8, max_epochs=1, random_state=0, verbose=False)
    long = Ragged.from_tokens([np.arange(6) % 4] * 12)
    assert ae.fit(long).predict_steps(long, 2).lengths.tolist() == [2] * 12
    assert np.isfinite(ae.prediction_error(long)).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="latent_size must be above n_decoding"):
        fitted(latent_size=1)
    with pytest.raises(InvalidParameter, match="counts are of Symbols"):
        Architecture(latent=LatentPlan(counts=Counts()))
    with pytest.raises(InvalidParameter, match="counts are of Symbols"):
        Architecture(
            encoder=EncoderPlan(steps=Symbols(), is_bidirectional=False),
            latent=LatentPlan(projection=Identity(), counts=Counts()),
        )
