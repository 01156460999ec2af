"""What fit() chooses where nothing is said: one rule for the architecture, one for the size of its vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, load
from seqae.errors import InvalidParameter
from seqae.model.building import chosen
from seqae.model.losses import Loss
from seqae.model.plans import DataShape

from .conftest import make_waves

VECTORS, TOKENS = DataShape(2), DataShape(1, n_symbols=7)


@pytest.mark.parametrize(
    ("latent_size", "kind", "shape", "wanted"),
    [
        ("auto", "mse", VECTORS, ("hybrid", 128)),
        ("auto", "mae", VECTORS, ("hybrid", 128)),
        ("auto", "huber", VECTORS, ("hybrid", 128)),
        (3, "mse", VECTORS, ("hybrid", 3)),
        (2, "mse", VECTORS, ("repeat", 2)),
        ("auto", "bce", VECTORS, ("repeat", 32)),
        ("auto", "cross_entropy", TOKENS, ("hybrid_tokens", 128)),
        (1, "cross_entropy", TOKENS, ("tokens", 1)),
    ],
)
def test_the_architecture_is_hybrid_wherever_that_can_be(
    latent_size: int | str, kind: str, shape: DataShape, wanted: tuple[str, int]
) -> None:
    found = chosen("auto", latent_size, Loss(kind), shape, 1000)
    assert (found["architecture"], found["latent_size"]) == wanted  # pyright: ignore[reportArgumentType]


@given(n_sequences=st.integers(1, 10_000), n_channels=st.integers(1, 50))
def test_a_hybrid_has_no_more_values_than_few_sequences_can_fill(n_sequences: int, n_channels: int) -> None:
    size = chosen("auto", "auto", Loss("mse"), DataShape(n_channels), n_sequences)["latent_size"]
    assert size == (128 if n_sequences >= 96 else max(64, 32 + n_sequences))


def test_a_vector_that_is_cut_into_steps_is_a_multiple_of_them() -> None:
    assert chosen("reshape", "auto", Loss("mse"), DataShape(2, n_steps=9), 10)["latent_size"] == 36


def test_a_closed_form_of_probabilities_is_refused() -> None:
    X = [np.round(np.abs(x) % 1) for x in make_waves(12, seed=0)]
    for architecture in ("hybrid", "linear"):
        with pytest.raises(InvalidParameter, match=r"loss 'bce' is of probabilities.*architecture='repeat'"):
            SequenceAutoencoder(architecture, loss="bce", verbose=False).fit(X)


def test_what_was_chosen_is_told_and_kept(tmp_path: Path) -> None:
    X = make_waves(40, seed=0)
    ae = SequenceAutoencoder(random_state=0, verbose=False).fit(X)
    assert (ae.architecture, ae.latent_size) == ("auto", "auto")
    assert (ae.architecture_, ae.latent_size_) == ("hybrid", 72)
    assert ae.transform(X).shape == (40, 72)
    assert len(ae.get_feature_names_out()) == 72
    ae.save(tmp_path / "m.seqae")
    loaded = load(tmp_path / "m.seqae")
    assert (loaded.architecture, loaded.latent_size) == (loaded.architecture_, loaded.latent_size_) == ("hybrid", 72)
    np.testing.assert_array_equal(loaded.transform(X), ae.transform(X))
    np.testing.assert_array_equal(loaded.reconstruct(X).values, ae.reconstruct(X).values)


def test_tokens_are_taken_without_a_word() -> None:
    rng = np.random.default_rng(0)
    X = Ragged.from_tokens([rng.integers(0, 5, size=int(n)) for n in rng.integers(2, 9, 12)])
    ae = SequenceAutoencoder(latent_size=4, hidden_size=4, max_epochs=1, random_state=0, verbose=False).fit(X)
    assert (ae.architecture_, ae.loss_.kind) == ("hybrid_tokens", "cross_entropy")
    assert ae.transform(X).shape == (12, 4)


def test_a_detector_without_an_autoencoder_makes_a_hybrid() -> None:
    rng = np.random.default_rng(0)
    detector = AnomalyDetector(window=8, random_state=0, verbose=False).fit([rng.normal(size=(60, 2))])
    made = detector.autoencoder_
    assert made is not None
    assert made.architecture_ == "hybrid"
