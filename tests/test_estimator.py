"""SequenceAutoencoder: its guarantees, scikit-learn's contract, bad input and odd input."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from seqae import Architecture, Loss, Ragged, SequenceAutoencoder, load
from seqae.errors import InvalidParameter, InvalidSequence, NotFitted, SeqaeError
from seqae.model.architecture import EncoderPlan, Identity, LatentPlan, Repeat, Units
from seqae.sequences.scaling import Scaling

from .conftest import TOLERANCE, make_waves

SMALL: dict[str, Any] = {
    "architecture": "repeat",
    "latent_size": 3,
    "hidden_size": 5,
    "max_epochs": 2,
    "batch_size": 16,
    "random_state": 0,
    "verbose": False,
}
WAVES = make_waves(40, seed=0)


@pytest.fixture(scope="module")
def ae() -> SequenceAutoencoder:
    architecture = Architecture(encoder=EncoderPlan(layers=Units((6, 5))), decoder=Repeat(units=(5, 4)))
    return SequenceAutoencoder(**SMALL | {"architecture": architecture, "hidden_size": None}).fit(WAVES)


def assert_same(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=TOLERANCE, atol=TOLERANCE)


# -- guarantee 1: alone or in company ----------------------------------------------------------------------------------


def test_a_sequence_alone_is_the_same_as_in_company(ae: SequenceAutoencoder) -> None:
    Z, R = ae.transform(WAVES), ae.reconstruct(WAVES)
    scores, errors = ae.score_samples(WAVES), ae.reconstruction_error(WAVES, per="value")
    for i, sequence in enumerate(WAVES):
        assert_same(ae.transform([sequence])[0], Z[i])
        assert_same(ae.reconstruct([sequence])[0], R[i])
        assert_same(ae.score_samples([sequence])[0], scores[i])
        assert_same(ae.reconstruction_error([sequence], per="value")[0], errors[i])


def test_rows_come_back_in_order_whatever_the_order_and_company(ae: SequenceAutoencoder) -> None:
    rng = np.random.default_rng(0)
    Z = ae.transform(WAVES)
    for size in (2, 17, 33, 40):
        chosen = rng.permutation(40)[:size]
        some = [WAVES[i] for i in chosen]
        assert_same(ae.transform(some), Z[chosen])
        assert_same(ae.inverse_transform(Z[chosen], [len(x) for x in some]).values, ae.reconstruct(some).values)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_thread_count_does_not_change_results(ae: SequenceAutoencoder, n_threads: int) -> None:
    Z, before = ae.transform(WAVES), torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        assert_same(ae.transform(WAVES), Z)
    finally:
        torch.set_num_threads(before)


def test_overlapping_windows_are_what_their_copies_are(ae: SequenceAutoencoder) -> None:
    windows = Ragged.from_any([WAVES[0], WAVES[1]]).windows(3, 1)
    copies = [np.array(window) for window in windows]
    assert_same(ae.transform(windows), ae.transform(copies))


# -- guarantee 2: padding is not data ----------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["step", "sequence"])
@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_loss_and_gradients_of_a_batch_are_the_sum_of_the_sequences(kind: str, per: str) -> None:
    loss = Loss(kind, per)
    ae = SequenceAutoencoder(**SMALL | {"n_layers": 2}, loss=loss).fit(WAVES)
    model = ae.model_.double()
    batch = Ragged.from_any(WAVES)
    batch = Ragged.view(torch.from_numpy(batch.values).double(), batch.starts, batch.lengths)

    def gradients(sequences: Ragged, weight: float) -> np.ndarray:
        model.zero_grad()
        (loss.mean(model(sequences), sequences) * weight).backward()
        return np.concatenate([p.grad.numpy().ravel() for p in model.parameters() if p.grad is not None])

    whole = gradients(batch, 1.0)
    parts = 0.0
    for i in range(len(batch)):
        share = batch.lengths[i] / batch.n_steps if per == "step" else 1 / len(batch)
        parts = parts + gradients(batch[[i]].compact(), share)
    np.testing.assert_allclose(parts, whole, rtol=1e-9, atol=1e-11)


# -- guarantee 4: a file is a file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"cell": "gru", "n_layers": 2, "loss": "mae", "scale": False},
        {
            "architecture": Architecture(
                encoder=EncoderPlan(layers=Units((6, 3)), is_bidirectional=False),
                latent=LatentPlan(projection=Identity()),
            ),
            "hidden_size": None,
        },
        {"architecture": Architecture(activation="relu"), "loss": Loss("huber", "sequence")},
    ],
)
def test_a_saved_model_gives_the_same_bits(parameters: dict[str, Any], tmp_path: Path) -> None:
    ae = SequenceAutoencoder(**SMALL | parameters).fit(WAVES)
    ae.save(tmp_path / "m.seqae")
    loaded = load(tmp_path / "m.seqae")
    np.testing.assert_array_equal(loaded.transform(WAVES), ae.transform(WAVES))
    np.testing.assert_array_equal(loaded.reconstruct(WAVES).values, ae.reconstruct(WAVES).values)
    assert loaded.history_ == ae.history_
    assert loaded.get_params() == ae.get_params() | {"callbacks": (), "verbose": "auto"}


def test_saving_before_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFitted, match="not fitted"):
        SequenceAutoencoder().save(tmp_path / "m.seqae")


# -- what it computes --------------------------------------------------------------------------------------------------


def test_errors_are_means_of_the_loss_in_scaled_units(ae: SequenceAutoencoder) -> None:
    scale = ae.scaling_.scale
    R = ae.reconstruct(WAVES)
    by_value = [((R[i] - x) / scale) ** 2 for i, x in enumerate(WAVES)]
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(ae.reconstruction_error(WAVES), [e.mean() for e in by_value], **tolerance)
    np.testing.assert_allclose(
        ae.reconstruction_error(WAVES, per="channel"), [e.mean(axis=0) for e in by_value], **tolerance
    )
    steps, values = ae.reconstruction_error(WAVES, per="step"), ae.reconstruction_error(WAVES, per="value")
    for i, errors in enumerate(by_value):
        np.testing.assert_allclose(steps[i][:, 0], errors.mean(axis=1), **tolerance)
        np.testing.assert_allclose(values[i], errors, **tolerance)
    np.testing.assert_array_equal(ae.score_samples(WAVES), -ae.reconstruction_error(WAVES))
    assert ae.score(WAVES) == pytest.approx(ae.score_samples(WAVES).mean())


def test_decodes_to_any_length(ae: SequenceAutoencoder) -> None:
    Z = ae.transform(WAVES[:4])
    R = ae.inverse_transform(Z, [1, 50, 2, 7])
    np.testing.assert_array_equal(R.lengths, [1, 50, 2, 7])
    assert_same(ae.inverse_transform(Z, 50)[1], R[1])


def test_encoder_and_decoder_are_modules_that_take_scaled_sequences(ae: SequenceAutoencoder) -> None:
    scaled = [(x - ae.scaling_.centre) / ae.scaling_.scale for x in WAVES]
    batch = Ragged.from_any(scaled)
    batch = Ragged.view(torch.from_numpy(batch.values.astype(np.float32)), batch.starts, batch.lengths)
    with torch.no_grad():
        latent = ae.encoder_(batch)
        decoded = ae.decoder_(latent, batch.lengths)
    np.testing.assert_allclose(latent, ae.transform(WAVES), atol=1e-6)
    assert isinstance(ae.scaling_, Scaling)
    np.testing.assert_allclose(ae.scaling_.undo(decoded.values.numpy()), ae.reconstruct(WAVES).values, atol=1e-5)


def test_what_is_missing_has_no_error_and_no_influence() -> None:
    sequences = Ragged.from_any(WAVES)
    observed = np.random.default_rng(0).uniform(size=sequences.values.shape) < 0.8
    observed[sequences.starts[3] : sequences.starts[3] + sequences.lengths[3]] = False
    masked = Ragged(sequences.values, sequences.starts, sequences.lengths, observed)
    junk = Ragged(
        np.where(observed, sequences.values, 1e6).astype(np.float32), *(masked.starts, masked.lengths), observed
    )
    fits = [SequenceAutoencoder(**SMALL).fit(X) for X in (masked, junk)]
    np.testing.assert_array_equal(fits[0].transform(masked), fits[1].transform(junk))
    assert np.isnan(fits[0].reconstruction_error(masked)[3])
    assert np.isfinite(np.delete(fits[0].reconstruction_error(masked), 3)).all()
    values = fits[0].reconstruction_error(masked, per="value").values
    np.testing.assert_array_equal(np.isnan(values), ~observed)


def test_bce_gives_probabilities() -> None:
    X = [(x > 0).astype(int) for x in WAVES]
    ae = SequenceAutoencoder(**SMALL, loss="bce").fit(X)
    values = ae.reconstruct(X).values
    assert ((values > 0) & (values < 1)).all()
    np.testing.assert_array_equal(ae.scaling_.scale, 1)


# -- every parameter is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": Architecture(encoder=EncoderPlan(is_bidirectional=False))},
        {"architecture": Architecture(activation="relu")},
        {"architecture": Architecture(decoder=Repeat(units=(7,)))},
        {
            "architecture": Architecture(encoder=EncoderPlan(layers=Units((7,))), decoder=Repeat(units=(5,))),
            "hidden_size": None,
        },
        {"latent_size": 4},
        {"hidden_size": 6},
        {"n_layers": 2},
        {"cell": "gru"},
        {"loss": "mae"},
        {"loss": Loss("mse", "sequence")},
        {"scale": False},
        {"max_epochs": 3},
        {"batch_size": 5},
        {"learning_rate": 1e-3},
        {"validation_fraction": 0.5},
        {"random_state": 1},
    ],
)
def test_every_parameter_changes_the_result(change: dict[str, Any]) -> None:
    X = [3 * x + 1 for x in WAVES]
    default = SequenceAutoencoder(**SMALL).fit(X).reconstruct(X).values
    changed = SequenceAutoencoder(**SMALL | change).fit(X).reconstruct(X).values
    assert np.abs(default - changed).max() > 1e-5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"architecture": "repat"}, "architecture must be .* got 'repat'"),
        ({"latent_size": 0}, "latent_size must be a whole number of at least 1, got 0"),
        ({"hidden_size": 2.5}, "hidden_size must be"),
        ({"n_layers": True}, "n_layers must be"),
        ({"cell": "rnn"}, "cell must be one of 'lstm', 'gru', got 'rnn'"),
        ({"loss": "l2"}, "loss must be one of"),
        ({"scale": "yes"}, "scale must be one of True, False"),
        ({"max_epochs": -1}, "max_epochs must be"),
        ({"batch_size": None}, "batch_size must be"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
        ({"validation_fraction": 1}, "validation_fraction must be a number from 0 to below 1"),
        ({"patience": 0}, "patience must be"),
        ({"device": "tpu"}, "device must be"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not here"),
        ({"verbose": "loud"}, "verbose must be one of"),
        ({"architecture": Architecture(latent=LatentPlan(projection=Identity()))}, "latent_size is 3; make them equal"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        SequenceAutoencoder(**SMALL | parameters).fit(WAVES)
    assert "\n" not in str(caught.value)


# -- bad input ---------------------------------------------------------------------------------------------------------

GOOD = np.zeros((4, 2))


def with_value(value: float) -> np.ndarray:
    return np.array([[0, 0], [0, 0], [0, value], [0, 0]], np.float64)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "no sequences"),
        ([GOOD, np.zeros((0, 2))], "sequence 1 has no steps"),
        ([GOOD, with_value(-np.inf)], "sequence 1, step 2, channel 1 is -inf"),
        ([GOOD, with_value(1e30)], r"sequence 1, step 2, channel 1 is 1e\+30"),
        ([GOOD, np.zeros((4, 3))], "sequence 1 must have 2 channels"),
        (np.zeros((3, 4)), r"must be \(n_sequences, n_steps, n_channels\)"),
        (np.zeros((2, 3, 4, 5)), r"must be \(n_sequences, n_steps, n_channels\)"),
        ([GOOD.astype(str)], "sequence 0"),
        ([GOOD.astype(complex)], "sequence 0"),
        (
            Ragged(np.full((4, 2), np.nan, np.float32), np.array([0]), np.array([4])),
            "sequence 0, step 0, channel 0 is (nan|NaN)",
        ),
        (Ragged(np.zeros((4, 2), np.float32), np.array([0, 0]), np.array([4, 0])), "sequence 1 has no steps"),
        (Ragged(np.zeros((0, 2), np.float32), np.zeros(0, int), np.zeros(0, int)), "no sequences"),
        (Ragged.from_tokens([np.arange(3)]), "tokens"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform", "reconstruct", "score_samples"])
def test_bad_sequences_are_named(X: Any, message: str, method: str) -> None:
    ae = SequenceAutoencoder(**SMALL)
    if method != "fit":
        ae.fit(WAVES)
    with pytest.raises(InvalidSequence, match=message) as caught:
        getattr(ae, method)(X)
    assert "\n" not in str(caught.value)


def test_other_channels_than_fitted_are_named(ae: SequenceAutoencoder) -> None:
    with pytest.raises(InvalidSequence, match=r"must have 2 channels as fit.. saw, got 5"):
        ae.transform([np.zeros((4, 5))])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 0], r"lengths\[1\] is 0"),
        ([3, -1], r"lengths\[1\] is -1"),
        ([3, 2.5], r"lengths\[1\] is 2.5"),
        ([3, np.nan], r"lengths\[1\] is (nan|NaN)"),
        ([3, 3, 3], "one number for each of the 2 vectors"),
        ([3, 2**40], "more than"),
        (["3", "4"], "whole numbers"),
        ([True, True], "whole numbers"),
    ],
)
def test_bad_lengths_are_named(ae: SequenceAutoencoder, lengths: Any, message: str) -> None:
    with pytest.raises(SeqaeError, match=message):
        ae.inverse_transform(np.zeros((2, 3)), lengths)


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.zeros((2, 4)), r"must be \(n_sequences, 3\)"),
        (np.zeros(3), r"must be \(n_sequences, 3\)"),
        (np.array([[0, np.inf, 0]]), "vector 0, value 1 is inf"),
        (np.array([["a", "b", "c"]]), "real numbers"),
    ],
)
def test_bad_vectors_are_named(ae: SequenceAutoencoder, Z: Any, message: str) -> None:
    with pytest.raises(InvalidSequence, match=message):
        ae.inverse_transform(Z, 3)


@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples", "reconstruction_error", "encoder_"])
def test_before_fit_it_says_so(method: str) -> None:
    with pytest.raises(NotFitted, match=r"call fit\(\) first"):
        getattr(SequenceAutoencoder(), method)(WAVES)


# -- odd but valid input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.float64),
        lambda x: np.asfortranarray(x),
        lambda x: x[::-1].copy()[::-1],
        lambda x: x.astype(">f4"),
        lambda x: torch.from_numpy(x),
        lambda x: x.tolist(),
    ],
    ids=["float64", "fortran", "negative strides", "big endian", "tensor", "list"],
)
def test_odd_arrays_are_the_same_data(ae: SequenceAutoencoder, convert: Any) -> None:
    X = [x.astype(np.float32) for x in WAVES]
    np.testing.assert_array_equal(ae.transform([convert(x) for x in X]), ae.transform(X))


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint16, bool])
def test_other_dtypes_are_taken(dtype: type) -> None:
    X = [np.round(10 * np.abs(x)).astype(dtype) for x in WAVES]
    ours = SequenceAutoencoder(**SMALL).fit_transform(X)
    np.testing.assert_array_equal(ours, SequenceAutoencoder(**SMALL).fit_transform([x.astype(float) for x in X]))


def test_read_only_arrays_are_taken_and_left_alone(ae: SequenceAutoencoder) -> None:
    X = np.stack([WAVES[0][:3], WAVES[1][:3]]).astype(np.float32)
    X.flags.writeable = False
    np.testing.assert_array_equal(ae.transform(X), ae.transform(X.copy()))
    ours, theirs = (SequenceAutoencoder(**SMALL).fit_transform(taken) for taken in (X, X.copy()))
    np.testing.assert_array_equal(ours, theirs)


def test_one_sequence_and_a_constant_channel_are_taken() -> None:
    x = np.stack([np.arange(9.0), np.full(9, 7.0)], axis=1)
    ae = SequenceAutoencoder(**SMALL).fit([x])
    assert ae.history_.best.validation_loss is None
    scaled = (ae.reconstruct([x]).values - x) / [np.std(np.arange(9)), 1]  # a constant channel is only centred
    np.testing.assert_allclose(ae.score_samples([x]), [-np.mean(scaled**2)], rtol=1e-5)


def test_a_memory_map_stays_one(ae: SequenceAutoencoder, tmp_path: Path) -> None:
    values = np.concatenate(WAVES).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    mapped = Ragged.back_to_back(np.load(tmp_path / "x.npy", mmap_mode="r"), np.array([len(x) for x in WAVES]))
    np.testing.assert_array_equal(ae.transform(mapped), ae.transform(WAVES))


@pytest.mark.long
def test_a_million_sequences_of_one_step_and_one_of_100_000(ae: SequenceAutoencoder) -> None:
    many = np.random.default_rng(0).normal(size=(1_000_000, 1, 2))
    assert_same(ae.transform(many)[::9973], ae.transform(many[::9973]))
    one = np.random.default_rng(0).normal(size=(100_000, 2))
    other = np.concatenate([one[:-1], one[-1:] + 1])
    assert np.all(ae.transform([one]) != ae.transform([other]))
    assert_same(ae.reconstruct([one])[0], ae.inverse_transform(ae.transform([one]), 100_000)[0])
    SequenceAutoencoder(**SMALL | {"max_epochs": 1}).fit([one])
    SequenceAutoencoder(**SMALL | {"max_epochs": 1, "batch_size": 1024}).fit(many)


# -- scikit-learn's contract -------------------------------------------------------------------------------------------


def test_clone_and_parameters() -> None:
    ae = SequenceAutoencoder(**SMALL)
    assert clone(ae).get_params() == ae.get_params()
    assert ae.set_params(latent_size=9).latent_size == 9
    assert "latent_size=9" in repr(ae)


def test_not_fitted_is_scikit_learns_too() -> None:
    assert issubclass(NotFitted, ValueError)
    assert issubclass(NotFittedError, AttributeError)
    with pytest.raises(AttributeError):
        SequenceAutoencoder().transform(WAVES)


def test_pipeline_and_grid_search() -> None:
    y = np.arange(40) % 2
    pipeline = make_pipeline(SequenceAutoencoder(**SMALL), LogisticRegression())
    assert pipeline.fit(WAVES, y).predict(WAVES).shape == (40,)
    names = pipeline[:-1].get_feature_names_out()
    assert list(names) == [f"sequenceautoencoder{k}" for k in range(3)]
    search = GridSearchCV(SequenceAutoencoder(**SMALL), {"cell": ["lstm", "gru"]}, cv=KFold(2), error_score="raise")
    search.fit(WAVES)
    assert search.best_params_["cell"] in ("lstm", "gru")


def test_pickle_keeps_the_bits(ae: SequenceAutoencoder) -> None:
    again = pickle.loads(pickle.dumps(ae))
    np.testing.assert_array_equal(again.transform(WAVES), ae.transform(WAVES))


def test_random_state_takes_a_random_state() -> None:
    fits = [SequenceAutoencoder(**SMALL | {"random_state": np.random.RandomState(3)}).fit(WAVES) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].transform(WAVES), fits[1].transform(WAVES))


# -- real data ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_japanese_vowels(shared_data: Path) -> None:
    data = np.load(shared_data / "cls_JapaneseVowels.npz", allow_pickle=False)
    sequences = Ragged.back_to_back(data["values"].astype(np.float32), data["lengths"])
    is_train = data["split"] == "train"
    train, test = sequences[is_train], sequences[~is_train]
    ae = SequenceAutoencoder("repeat", random_state=0, verbose=False).fit(train)
    probe = LogisticRegression(max_iter=5000).fit(ae.transform(train), data["y"][is_train])
    assert probe.score(ae.transform(test), data["y"][~is_train]) >= 0.95


def test_the_modules_take_what_the_estimator_holds(waves: list[np.ndarray]) -> None:
    ae = SequenceAutoencoder(latent_size=2, hidden_size=3, max_epochs=1, random_state=0, verbose=False).fit(waves)
    X = Ragged.from_any(waves)[::3]
    scaled = (X.values - ae.scaling_.centre) / ae.scaling_.scale
    vectors = ae.encoder_(Ragged(scaled, X.starts, X.lengths))
    np.testing.assert_allclose(vectors.detach().numpy(), ae.transform(X), rtol=1e-5, atol=1e-6)
