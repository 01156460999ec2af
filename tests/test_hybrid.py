from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import seqae
from seqae import Ragged, SequenceAutoencoder
from seqae.data import japanese_vowels
from seqae.errors import InvalidParameter
from seqae.model.building import build
from seqae.model.closed_form import Memory, time_code
from seqae.model.hybrid import Hybrid, Residual
from seqae.model.learnt import Learnt
from seqae.training.loop import gains

from .conftest import make_ragged, make_waves

TRAINED = Hybrid(residual=Residual(fewest_sequences=0))
SETTINGS: dict[str, Any] = {"latent_size": 16, "random_state": 0, "verbose": False}


@pytest.fixture(scope="module")
def sequences() -> list[np.ndarray]:
    return make_waves(60, seed=0)


@pytest.fixture(scope="module")
def linear(sequences: list[np.ndarray]) -> SequenceAutoencoder:
    return SequenceAutoencoder("linear", **SETTINGS).fit(sequences)


@pytest.fixture(scope="module")
def hybrid(sequences: list[np.ndarray]) -> SequenceAutoencoder:
    """Trained without held-out sequences, so that what it has learnt is kept."""
    settings = {"hidden_size": 8, "max_epochs": 6, "validation_fraction": 0, "patience": None}
    return SequenceAutoencoder(TRAINED, **SETTINGS, **settings).fit(sequences)


def test_nothing_is_trained_in_closed_form(sequences: list[np.ndarray]) -> None:
    linear = SequenceAutoencoder("linear", quality="fast", **SETTINGS).fit(sequences)
    assert linear.history_.epochs == ()
    assert linear.history_.stopped_by == "closed_form"
    assert linear.history_.best is None
    part = linear.history_.closed_form
    assert part is not None
    values = np.concatenate(sequences)
    residual = linear.reconstruct(sequences).values - values
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    assert_allclose(part.explained, 1 - ((residual / values.std(axis=0)) ** 2).sum() / (scaled**2).sum(), rtol=1e-4)
    assert part.gained == 0


def test_lengths_are_told_exactly(linear: SequenceAutoencoder) -> None:
    unseen = make_waves(30, seed=5, longest=45)
    assert_array_equal(linear.lengths_of(linear.transform(unseen)), [len(x) for x in unseen])


def test_the_length_that_all_have_is_told() -> None:
    alike = make_waves(20, seed=1, shortest=12, longest=12)
    model = SequenceAutoencoder("linear", **SETTINGS).fit(alike)
    assert_array_equal(model.lengths_of(model.transform(make_waves(5, seed=2))), [12] * 5)


def test_recurrence_adds_to_the_curve(hybrid: SequenceAutoencoder, sequences: list[np.ndarray]) -> None:
    epochs = hybrid.history_.epochs
    assert epochs[-1].training_loss < epochs[0].training_loss
    part = hybrid.history_.closed_form
    assert part is not None
    assert part.gained > 0
    assert str(part) == f"linear part {100 * part.explained:.1f} %, recurrence adds {100 * part.gained:.1f} points"
    decoder: Any = hybrid.decoder_
    vectors = torch.from_numpy(hybrid.transform(sequences))
    lengths = np.array([len(x) for x in sequences])
    curve = decoder.curve(vectors, lengths)
    forward, backward = decoder.recurrent_layers[0]
    owner = np.repeat(np.arange(60), lengths)
    read = vectors @ decoder.correction.projection.weight.T + decoder.correction.projection.bias
    parts = [read.detach().numpy()[owner], time_code(lengths, 4), curve.values.numpy()]
    inputs = np.concatenate(parts, axis=1)
    steps = Ragged.view(torch.from_numpy(inputs), curve.starts, curve.lengths)
    outputs = torch.cat([forward.outputs(steps).values, backward.outputs(steps).values], dim=1)
    wanted = curve.values + outputs @ decoder.correction.head.weight.T + decoder.correction.head.bias
    torch.testing.assert_close(decoder(vectors, lengths).values, wanted, rtol=1e-4, atol=1e-5)


def test_what_held_out_sequences_do_not_gain_by_is_not_kept(sequences: list[np.ndarray]) -> None:
    settings = {"hidden_size": 4, "max_epochs": 2, "learning_rate": 1.0}
    model = SequenceAutoencoder(TRAINED, **SETTINGS, **settings).fit(sequences)
    assert model.history_.best_epoch == 0
    assert len(model.history_.epochs) == 2
    alone = SequenceAutoencoder("linear", **SETTINGS).fit(sequences)
    assert_allclose(model.reconstruct(sequences).values, alone.reconstruct(sequences).values, atol=0.05)


def test_few_sequences_are_not_trained_on(sequences: list[np.ndarray]) -> None:
    model = SequenceAutoencoder("hybrid", hidden_size=4, **SETTINGS).fit(sequences)
    alone = SequenceAutoencoder("linear", **SETTINGS).fit(sequences)
    assert model.history_.stopped_by == "closed_form"
    assert_array_equal(model.reconstruct(sequences).values, alone.reconstruct(sequences).values)


@pytest.mark.parametrize("name", ["linear", "hybrid"])
def test_a_sequence_has_the_same_bits_alone_and_in_company(
    name: str, request: pytest.FixtureRequest, sequences: list[np.ndarray]
) -> None:
    model = request.getfixturevalue(name)
    vectors, made = model.transform(sequences), model.reconstruct(sequences)
    tolerance = 1e-5 if seqae.active_kernel() == "reference" else 0  # its products depend on the number of rows
    for i in (0, 17, 59):
        assert_allclose(model.transform([sequences[i]])[0], vectors[i], rtol=0, atol=tolerance)
        assert_allclose(model.reconstruct([sequences[i]])[0], made[i], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["linear", "hybrid"])
def test_it_is_the_same_when_saved_and_pickled(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, sequences: list[np.ndarray]
) -> None:
    model = request.getfixturevalue(name)
    model.save(tmp_path / "m.seqae")
    for again in (seqae.load(tmp_path / "m.seqae"), pickle.loads(pickle.dumps(model))):
        assert_array_equal(again.transform(sequences), model.transform(sequences))
        assert_array_equal(again.reconstruct(sequences).values, model.reconstruct(sequences).values)
        assert again.history_ == model.history_


@pytest.mark.parametrize("name", ["linear", "hybrid"])
def test_missing_values_are_filled_by_what_was_learnt(
    name: str, request: pytest.FixtureRequest, sequences: list[np.ndarray]
) -> None:
    model = request.getfixturevalue(name)
    whole = Ragged.from_any(sequences)
    observed = np.random.default_rng(0).random(whole.values.shape) > 0.2
    masked = Ragged(np.where(observed, whole.values, np.float32(7e5)), whole.starts, whole.lengths, observed)
    residual = (model.reconstruct(masked).values - whole.values)[~observed]
    assert np.mean(residual**2) < 0.5 * whole.values.var()


def test_the_same_seed_gives_the_same_bits(hybrid: SequenceAutoencoder, sequences: list[np.ndarray]) -> None:
    again = SequenceAutoencoder(**hybrid.get_params()).fit(sequences)
    other = SequenceAutoencoder(**hybrid.get_params() | {"random_state": 1}).fit(sequences)
    assert_array_equal(again.reconstruct(sequences).values, hybrid.reconstruct(sequences).values)
    assert (other.transform(sequences) != hybrid.transform(sequences)).any()


def test_a_model_that_has_learnt_nothing_says_so() -> None:
    model = build("linear", "lstm", n_channels=2, latent_size=8)
    with pytest.raises(InvalidParameter, match="has not learnt its closed form"):
        model.encoder([torch.zeros(4, 2)])


@pytest.mark.parametrize(("latent_size", "n_decoding"), [(2, None), (8, 7)])
def test_a_vector_has_room_for_every_part(latent_size: int, n_decoding: int | None) -> None:
    with pytest.raises(InvalidParameter, match="latent_size must be at least"):
        build(Hybrid(n_decoding=n_decoding), "lstm", n_channels=2, latent_size=latent_size)


def test_sizes_of_layers_have_no_effect_on_a_closed_form() -> None:
    with pytest.raises(InvalidParameter, match="hidden_size=3 has no effect"):
        build("linear", "lstm", n_channels=2, latent_size=8, hidden_size=3)


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_gains_count_beyond_their_standard_error() -> None:
    before = np.array([1.0, 2.0, 3.0, 4.0])
    assert gains(before, before - [0.1, 0.2, 0.1, 0.2])
    assert not gains(before, before - [1.0, -0.9, 0.1, 0.0])
    assert not gains(before[:1], before[:1] - 1)


def test_time_is_told_in_sines_and_cosines() -> None:
    code = time_code(np.array([1, 4]), 2)
    assert code.shape == (5, 6)
    assert_allclose(code[0], [0.5, 0.5, 0, 0, -1, 1], atol=1e-6)
    time = 2.5 / 4
    wanted = [time, 1 - time, *(np.sin(2 * np.pi * k * time) for k in (1, 2))]
    assert_allclose(code[3], [*wanted, *(np.cos(2 * np.pi * k * time) for k in (1, 2))], atol=1e-6)


def test_a_memory_asks_once() -> None:
    asked: list[int] = []

    def encode(sequences: Ragged) -> np.ndarray:
        asked.append(len(sequences))
        return np.array([[x.sum(), len(x)] for x in sequences], np.float32)

    memory, sequences = Memory(2), make_ragged([3, 5, 2], 2, dtype=np.float32)
    first = memory.recall(sequences, encode)
    again = memory.recall(sequences[[2, 0]], encode)
    assert asked == [3]
    assert_array_equal(again, first[[2, 0]])
    changed = Ragged(sequences.values.copy(), sequences.starts, sequences.lengths)
    changed.values[0] += 1
    assert_array_equal(memory.recall(changed, encode), encode(changed))
    assert asked == [3, 1, 3]
    memory.forget()
    memory.recall(sequences, encode)
    assert asked[-1] == 3


def test_arrays_keep_their_precision_and_take_on_sizes() -> None:
    held: Learnt[float] = Learnt(lambda arrays: float(arrays.take("a.b", (None,), np.float64).sum()))
    held.learn(3.0, {"a.b": np.array([1.0, 2.0])})
    assert held.half().value == 3.0
    assert held.state_dict()["a:b"].dtype == torch.float64
    other: Learnt[float] = Learnt(lambda arrays: float(arrays.take("a.b", (None,), np.float64).sum()))
    with pytest.raises(InvalidParameter):
        other.value
    other.load_state_dict({"a:b": torch.ones(5, dtype=torch.float64)}, assign=True)
    assert other.value == 5.0


def test_a_file_of_what_was_not_kept_can_be_loaded(tmp_path: Path, sequences: list[np.ndarray]) -> None:
    settings = {"hidden_size": 4, "max_epochs": 2, "learning_rate": 1.0}
    model = SequenceAutoencoder(TRAINED, **SETTINGS, **settings).fit(sequences)
    assert model.history_.best_epoch == 0
    model.save(tmp_path / "m.seqae")
    assert_array_equal(seqae.load(tmp_path / "m.seqae").transform(sequences), model.transform(sequences))


def altered(x: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Copies of a sequence: without a tenth of its steps, with other times, with noise."""
    n, keep = len(x), round(0.9 * len(x))
    first, wanted = int(rng.integers(0, n - keep + 1)), round(n * rng.uniform(0.8, 1.2))
    times = np.linspace(0, n - 1, wanted)
    resampled = np.stack([np.interp(times, np.arange(n), channel) for channel in x.T], axis=1)
    noise = 0.1 * x.std(axis=0) * rng.standard_normal(x.shape)
    return {"cropped": x[first : first + keep], "resampled": resampled, "noisy": x + noise}


@pytest.mark.parametrize("kind", ["cropped", "resampled", "noisy"])
def test_altered_copies_lie_near_their_originals(kind: str) -> None:
    speech = [np.asarray(x, np.float64) for x in japanese_vowels("train").sequences]
    unseen = [np.asarray(x, np.float64) for x in japanese_vowels("test").sequences][:100]
    model = SequenceAutoencoder("linear", random_state=0, verbose=False).fit(speech)
    rng = np.random.default_rng(0)
    vectors, copies = model.transform(unseen), model.transform([altered(x, rng)[kind] for x in unseen])
    distances = ((copies[:, None] - vectors[None]) ** 2).sum(axis=2)
    n_nearer = (distances < np.diag(distances)[:, None]).sum(axis=1)
    assert (n_nearer < 5).mean() >= 0.98
