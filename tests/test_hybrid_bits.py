"""The bits of a hybrid: killed and resumed, on any number of threads, alone and in company, on other kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

import seqae
from seqae import Checkpoint, Ragged, SequenceAutoencoder
from seqae.features.closed_form import fit_closed_decoder, fit_closed_encoder
from seqae.model.hybrid import Hybrid, Residual
from seqae.training.history import Callback

from .conftest import make_waves
from .test_basis import loader, smooth
from .test_training import At

SETTINGS: dict[str, Any] = {
    "architecture": Hybrid(residual=Residual(fewest_sequences=0)),
    "latent_size": 16,
    "hidden_size": 4,
    "max_epochs": 4,
    "batch_size": 8,
    "validation_fraction": 0,
    "patience": None,
    "random_state": 0,
    "verbose": False,
}
WAVES = make_waves(40, seed=0)
SIZES = [(20, (9, 9), 1, 8), (90, (5, 30), 3, 40), (300, (40, 70), 2, 128)]
"""Sequences, their shortest and longest, channels, and values of a vector: products of many shapes."""


@contextmanager
def threads(n: int) -> Iterator[None]:
    """So many of the kernel's, of torch and of BLAS."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n)
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


def bits(model: SequenceAutoencoder) -> dict[str, bytes]:
    """Of all that it has learnt, closed form and recurrence, and of what it makes of sequences."""
    learnt = {name: value.numpy() for name, value in model.model_.state_dict().items()}
    made = {"vectors": model.transform(WAVES), "reconstructed": model.reconstruct(WAVES).values}
    return {name: array.tobytes() for name, array in (learnt | made).items()}


@pytest.fixture(scope="module")
def hybrid() -> SequenceAutoencoder:
    return SequenceAutoencoder(**SETTINGS).fit(WAVES)


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_resumed_run_has_the_same_bits(hybrid: SequenceAutoencoder, tmp_path: Path, killed_after: int) -> None:
    checkpoint = Checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(RuntimeError, match="killed"):
        SequenceAutoencoder(**SETTINGS, callbacks=[checkpoint, At(killed_after, RuntimeError("killed"))]).fit(WAVES)
    epochs: list[int] = []

    class Numbers(Callback):
        def on_epoch_end(self, epoch: Any) -> None:
            epochs.append(epoch.number)

    resumed = SequenceAutoencoder(**SETTINGS, callbacks=[checkpoint, Numbers()]).fit(WAVES)
    assert epochs == list(range(killed_after + 1, 5))
    assert bits(resumed) == bits(hybrid)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(hybrid: SequenceAutoencoder, n_threads: int) -> None:
    with threads(n_threads):
        again = SequenceAutoencoder(**SETTINGS).fit(WAVES)
        assert bits(again) == bits(hybrid)


@pytest.mark.skipif(seqae.active_kernel() == "reference", reason="its products depend on the number of rows")
@pytest.mark.parametrize(("n_sequences", "lengths", "n_channels", "latent_size"), SIZES)
def test_company_and_threads_change_no_bit_of_a_closed_form(
    n_sequences: int, lengths: tuple[int, int], n_channels: int, latent_size: int
) -> None:
    sequences, results = smooth(n_sequences, lengths, n_channels), []
    for n_threads in (1, 2):
        with threads(n_threads):
            encoder = fit_closed_encoder(loader(sequences), latent_size, seed=0)
            decoder = fit_closed_decoder(loader(sequences), encoder)
            vectors = encoder.encode(sequences)
            for some in (sequences[[3]], sequences[np.arange(7)], sequences[::-1]):
                rows = {len(sequences): slice(None, None, -1), 1: slice(3, 4), 7: slice(0, 7)}[len(some)]
                assert encoder.encode(some).tobytes() == vectors[rows].tobytes()
                assert decoder.curves(vectors[rows]).tobytes() == decoder.curves(vectors)[rows].tobytes()
            learnt = encoder.to_arrays() | decoder.to_arrays()
            results.append([array.tobytes() for array in (*learnt.values(), vectors)])
    assert results[0] == results[1]


def test_what_stands_in_place_of_missing_values_changes_no_bit() -> None:
    whole = Ragged.from_any(WAVES)
    observed = np.random.default_rng(0).random(whole.values.shape) > 0.2
    results = []
    for filler in (0, 7e5, -1e30):
        values = np.where(observed, whole.values, np.float32(filler))
        masked = Ragged(values, whole.starts, whole.lengths, observed)
        model = SequenceAutoencoder(**SETTINGS).fit(masked)
        results.append([model.transform(masked).tobytes(), model.reconstruct(masked).values.tobytes()])
    assert results[0] == results[1] == results[2]


def test_the_reference_gives_the_same_to_rounding(hybrid: SequenceAutoencoder, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, made = hybrid.transform(WAVES), hybrid.reconstruct(WAVES).values
    monkeypatch.setenv("SEQAE_KERNEL", "reference")
    assert_allclose(hybrid.transform(WAVES), vectors, atol=2e-5)
    assert_allclose(hybrid.reconstruct(WAVES).values, made, atol=2e-5)
    fitted = SequenceAutoencoder(**SETTINGS | {"architecture": "linear", "hidden_size": None}).fit(WAVES)
    monkeypatch.delenv("SEQAE_KERNEL")
    native = SequenceAutoencoder(**fitted.get_params()).fit(WAVES)
    assert_allclose(native.reconstruct(WAVES).values, fitted.reconstruct(WAVES).values, atol=1e-4)
    assert_array_equal(native.lengths_of(native.transform(WAVES)), [len(x) for x in WAVES])
