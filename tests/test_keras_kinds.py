"""Keras autoencoders of many kinds, against what Keras computed with them: see scripts/record_keras.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

import seqae
from seqae import Ragged, SequenceAutoencoder, active_kernel
from seqae.errors import InvalidParameter, ModelFileError
from seqae.interop.keras import load_keras
from seqae.sequences.ragged import to_tensors

from .conftest import TOLERANCE

FIXTURES = Path(__file__).parent / "fixtures" / "keras" / "kinds"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.npz"))


def recorded(name: str) -> tuple[dict[str, np.ndarray], SequenceAutoencoder, Ragged]:
    with np.load(FIXTURES / f"{name}.npz") as file:
        wanted = {key: file[key] for key in file.files}
    start = wanted["start"].tolist() if "start" in wanted else None
    x = wanted["x"]
    sequences = Ragged.from_tokens(list(x)) if x.ndim == 2 else Ragged.from_any(x)
    return wanted, load_keras(FIXTURES / f"{name}.keras", start=start), sequences


def written(ae: SequenceAutoencoder, X: Ragged, wanted: dict[str, np.ndarray]) -> torch.Tensor:
    """What the model writes in training, (n_sequences, n_steps, n_channels)."""
    shape, sequences = wanted["trained"].shape, to_tensors(X)
    latent = ae.encoder_(sequences)
    if "taught" in wanted:
        return ae.decoder_.taught(latent, sequences, None, None).values.reshape(shape)
    return ae.decoder_(latent, np.full(shape[0], shape[1])).values.reshape(shape)


def test_there_are_recordings() -> None:
    assert len(NAMES) == 11


@pytest.mark.parametrize("name", NAMES)
def test_vectors_and_reconstructions_are_those_of_keras(name: str, tmp_path: Path) -> None:
    wanted, ae, X = recorded(name)
    vectors = ae.transform(X)
    np.testing.assert_allclose(vectors, wanted["z"], atol=1e-5)
    n_steps = wanted["y"].shape[1]
    np.testing.assert_allclose(ae.inverse_transform(vectors, n_steps).to_padded()[0], wanted["y"], atol=1e-5)
    reconstructed = ae.reconstruct(X).to_padded()[0]
    np.testing.assert_allclose(reconstructed, wanted["y"][:, : reconstructed.shape[1]], atol=1e-5)
    ae.save(tmp_path / "m.seqae")
    again = seqae.load(tmp_path / "m.seqae")
    np.testing.assert_array_equal(again.transform(X), vectors)
    np.testing.assert_array_equal(again.reconstruct(X).to_padded()[0], reconstructed)


@pytest.mark.parametrize("name", NAMES)
def test_training_takes_the_steps_that_keras_takes(name: str) -> None:
    wanted, ae, X = recorded(name)
    if "taught" in wanted:
        np.testing.assert_allclose(written(ae, X, wanted).detach().numpy(), wanted["taught"], atol=1e-5)
    target = torch.from_numpy(wanted["target"].astype(np.float32))
    optimiser, losses = torch.optim.SGD(ae.model_.parameters(), lr=0.01), []
    for _ in range(5):
        optimiser.zero_grad()
        loss = ((written(ae, X, wanted) - target) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, wanted["losses"], rtol=1e-4)
    np.testing.assert_allclose(written(ae, X, wanted).detach().numpy(), wanted["trained"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_does_not_depend_on_company(name: str) -> None:
    _, ae, X = recorded(name)
    alone = np.concatenate([ae.transform(X[[i]]) for i in range(len(X))])
    np.testing.assert_allclose(alone, ae.transform(X), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_imported_can_be_fitted_anew(name: str) -> None:
    """As an architecture like any other: the loss falls, and every parameter that training may move moves."""
    _, ae, X = recorded(name)
    fresh = clone(ae).set_params(
        max_epochs=30, learning_rate=0.02, random_state=0, validation_fraction=0, patience=None
    )
    fresh.set_params(verbose=False).fit(X)
    losses = [epoch.training_loss for epoch in fresh.history_.epochs]
    assert losses[-1] < 0.98 * losses[0]
    again = clone(fresh).fit(X)
    for parameter, other in zip(fresh.model_.parameters(), again.model_.parameters(), strict=True):
        assert torch.equal(parameter, other)


def test_scores_of_tokens_are_given_the_true_ones_before() -> None:
    wanted, ae, X = recorded("taught_tokens")
    chosen = np.take_along_axis(wanted["taught"], wanted["x"][:, :, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(ae.score_samples(X), np.log(chosen).mean(axis=1), atol=1e-4)


def test_the_reference_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for kernel in (active_kernel(), "reference"):
        monkeypatch.setenv("SEQAE_KERNEL", kernel)
        results.append([recorded(name)[1].reconstruct(recorded(name)[2]).values for name in NAMES])
        _, ae, _ = recorded("masked")
        results[-1].append(ae.transform([np.full((4, 3), -1.0), np.zeros((2, 3))]))  # the first has no step left
    for ours, reference in zip(*results, strict=True):
        np.testing.assert_allclose(ours, reference, atol=1e-5)


def test_what_is_masked_is_as_if_it_were_not_there() -> None:
    wanted, ae, X = recorded("masked")
    kept = [x[(x != -1).any(axis=1)] for x in wanted["x"]]
    np.testing.assert_array_equal(ae.transform(kept), ae.transform(X))
    nothing = ae.transform([np.full((3, 3), -1.0)])
    assert np.isfinite(nothing).all()
    np.testing.assert_array_equal(nothing, ae.transform([np.full((5, 3), -1.0)]))


def test_a_start_must_fit() -> None:
    for name, start, message in (
        ("taught", [1.0], "3 finite values"),
        ("taught", [1.0, float("nan"), 0.0], "3 finite values"),
        ("taught_tokens", 7, "a token from 0 to 6"),
        ("taught_tokens", [1.0, 2.0], "a token from 0 to 6"),
        ("masked", [0.0, 0.0, 0.0], "reads the vector alone"),
    ):
        with pytest.raises(InvalidParameter, match=message):
            load_keras(FIXTURES / f"{name}.keras", start=start)


def test_a_start_on_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from seqae.cli import app

    for name, start in (("taught", "0.5,0.5,0.5"), ("taught_tokens", "2")):
        wanted, _, X = recorded(name)
        arguments = ["import", str(FIXTURES / f"{name}.keras"), "-o", str(tmp_path / "m.seqae"), "--start", start]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        y = seqae.load(tmp_path / "m.seqae").reconstruct(X).to_padded()[0]
        np.testing.assert_allclose(y, wanted["y"], atol=1e-5)
    refused = CliRunner().invoke(app, [*arguments[:-1], "two"])
    assert refused.exit_code == 2
    assert "--start" in refused.output


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    """Every file with some of its bytes changed or cut off either says so or loads."""
    whole, path = (FIXTURES / f"{name}.keras").read_bytes(), tmp_path / "m.keras"
    rng = np.random.default_rng(0)
    refusals = []
    for k in range(40):
        damaged = bytearray(whole)
        if k % 2:
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        else:
            del damaged[rng.integers(len(whole)) :]
        path.write_bytes(damaged)
        try:
            load_keras(path)
        except ModelFileError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert not any("\n" in refusal for refusal in refusals)
