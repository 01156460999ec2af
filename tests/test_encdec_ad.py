"""EncDecAD: the paper's protocol, set by set."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from seqae import Ragged
from seqae.detection.covariance import fit_mahalanobis
from seqae.detection.encdec_ad import EncDecAD, PaperSplits
from seqae.errors import InvalidParameter, InvalidSequence

from .test_detect import autoencoder, broken_wave, whole_sequences

BROKEN = [broken_wave(seed)[295:315] for seed in range(2, 10)]


@pytest.fixture(scope="module")
def made() -> EncDecAD:
    X = [*whole_sequences(), *BROKEN]
    model = autoencoder("encdec_ad", latent_size=16, max_epochs=20)
    return EncDecAD.paper(X, np.arange(len(X)) >= len(X) - len(BROKEN), autoencoder=model)


def test_splits_hold_each_sequence_once() -> None:
    X = [np.full((2, 1), i) for i in range(30)]
    splits = PaperSplits.from_labels(X, np.arange(30) >= 25)
    parts = [splits.s_N, splits.v_N1, splits.v_N2, splits.t_N, splits.v_A, splits.t_A]
    ids = [[int(sequence[0, 0]) for sequence in part] for part in parts]
    assert sorted(i for part in ids for i in part) == list(range(30))
    assert [len(part) for part in ids] == [12, 6, 3, 4, 3, 2]
    assert min(ids[4] + ids[5]) == 25


@pytest.mark.parametrize(("n_normal", "n_anomalous"), [(4, 1), (5, 2), (7, 1)])
def test_small_splits_leave_none_empty(n_normal: int, n_anomalous: int) -> None:
    labels = np.repeat([0, 1], [n_normal, n_anomalous])
    splits = PaperSplits.from_labels(np.zeros((len(labels), 3, 1)), labels)
    assert min(len(splits.s_N), len(splits.v_N1), len(splits.v_N2), len(splits.t_N), len(splits.v_A)) >= 1


def test_each_equation_is_the_paper_s(made: EncDecAD) -> None:
    model, splits = made.detector.autoencoder_, made.splits
    errors = np.sqrt(model.reconstruction_error(splits.v_N1, per="value").values.astype(np.float64))
    gaussian = fit_mahalanobis(errors)  # mu and Sigma from v_N1
    new = np.sqrt(model.reconstruction_error(splits.t_A, per="value").values.astype(np.float64))
    points = gaussian.score(new)  # a(i)
    expected = points.reshape(len(splits.t_A), -1).mean(axis=1)
    np.testing.assert_allclose(made.detector.anomaly_score(splits.t_A), expected, rtol=1e-6)
    normal, anomalous = (made.detector.anomaly_score(part) for part in (splits.v_N2, splits.v_A))
    assert normal.max() <= made.detector.threshold_ < anomalous.max()


def test_it_finds_what_is_broken(made: EncDecAD) -> None:
    result = made.evaluate()
    assert result["recall"] == 1
    assert result["f_beta"] > 0.9


def test_sets_can_be_given(made: EncDecAD) -> None:
    names = ("s_N", "v_N1", "v_N2", "v_A")
    given = {name: list(getattr(made.splits, name)) for name in names}
    again = EncDecAD.paper(splits=given, autoencoder=autoencoder("encdec_ad", latent_size=16, max_epochs=2))
    assert len(again.splits.t_A) == 0
    empty = PaperSplits(**{name: getattr(made.splits, name) for name in (*names, "t_N")}, t_A=made.splits.t_A[:0])
    for t_A in ([], None):
        splits = given | {"t_N": list(made.splits.t_N)} | ({} if t_A is None else {"t_A": t_A})
        small = EncDecAD.paper(splits=splits, autoencoder=autoencoder("encdec_ad", latent_size=16, max_epochs=1))
        assert len(small.splits.t_A) == 0
    assert np.isnan(EncDecAD(made.detector, empty).evaluate()["likelihood_ratio"])
    assert np.isnan(again.evaluate()["recall"])
    with pytest.raises(InvalidParameter, match="missing: v_A"):
        EncDecAD.paper(splits={name: given[name] for name in names[:3]})


def test_wrong_input_is_named() -> None:
    with pytest.raises(InvalidParameter, match="either X and y or splits"):
        EncDecAD.paper(whole_sequences())
    labelled = ([*whole_sequences(), *BROKEN], np.repeat([0, 1], [len(whole_sequences()), len(BROKEN)]))
    with pytest.raises(InvalidParameter, match="autoencoder must be a SequenceAutoencoder, got Frozen"):
        EncDecAD.paper(*labelled, autoencoder=FrozenEstimator(autoencoder()))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidSequence, match="at least 4 normal"):
        EncDecAD.paper(np.zeros((4, 3, 1)), [0, 0, 0, 1])


def test_training_stops_by_v_n1_and_f_beta_is_of_its_beta(made: EncDecAD) -> None:
    noise = [5 * np.random.default_rng(seed).normal(size=(20, 2)) for seed in range(4)]
    sets = {name: list(getattr(made.splits, name)) for name in ("s_N", "v_N1", "v_N2", "v_A")}
    models = [
        EncDecAD.paper(splits=sets | {"v_N1": v_N1}, autoencoder=autoencoder("encdec_ad", latent_size=16, max_epochs=2))
        for v_N1 in (sets["v_N1"], noise)
    ]
    losses = [model.detector.autoencoder_.history_.epochs[-1].validation_loss for model in models]  # pyright: ignore
    assert losses[1] > 2 * losses[0]
    X = [*made.splits.t_A, *list(made.splits.t_N)[:1]]
    tests = PaperSplits(
        **{n: getattr(made.splits, n) for n in ("s_N", "v_N1", "v_N2", "v_A")},
        t_N=made.splits.t_A,
        t_A=Ragged.from_any(X),
    )
    result = EncDecAD(made.detector, tests).evaluate()
    precision, recall = result["precision"], result["recall"]
    assert precision < recall < 1
    assert result["f_beta"] == pytest.approx(1.01 * precision * recall / (0.01 * precision + recall))
