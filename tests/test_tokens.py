"""Counts of symbols against plain loops, and detectors of tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seqae
from seqae import AnomalyDetector, Ragged, SequenceAutoencoder
from seqae.detection.evidence.counts import Bags, Content, NGramModel, fit_bags, fit_ngrams
from seqae.detection.evidence.registry import scores as known_scores
from seqae.detection.scoring import MeanError, MeanSurprise, Part, fit_measure, weighted
from seqae.detection.series import covered
from seqae.detection.stream import Stream
from seqae.errors import InvalidParameter, InvalidSequence, ModelFileError
from seqae.storage.vetting import Arrays

from . import naive
from .test_detect import assert_same

N_SYMBOLS = 5
CONTENTS: tuple[Content, ...] = ("symbols", "pairs")


def random_tokens(n_sequences: int, seed: int, n_symbols: int = N_SYMBOLS) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_symbols, rng.integers(1, 12)) for _ in range(n_sequences)]


def tokens(sequences: list[np.ndarray]) -> Ragged:
    return Ragged.from_tokens(sequences)


def plain(sequences: list[np.ndarray]) -> list[list[int]]:
    return [sequence.tolist() for sequence in sequences]


# -- n-grams -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 2, 4])
def test_ngrams_are_those_of_plain_counting(longest: int) -> None:
    known, unknown = random_tokens(9, 0), random_tokens(7, 1, n_symbols=N_SYMBOLS + 2)  # two symbols never seen
    losses = fit_ngrams(tokens(known), N_SYMBOLS, longest).losses(tokens(unknown))
    expected = [naive.ngram_likelihoods(plain(known), s, N_SYMBOLS, longest) for s in plain(unknown)]
    np.testing.assert_allclose(losses, -np.log(np.concatenate(expected)), rtol=1e-12)


def test_likelihoods_of_all_symbols_and_an_unseen_one_add_up_to_one() -> None:
    model = fit_ngrams(tokens(random_tokens(9, 0)), N_SYMBOLS)
    before = [2, 0, 1]
    ends = tokens([np.array([*before, symbol]) for symbol in range(N_SYMBOLS + 1)])
    last = model.losses(ends).reshape(-1, len(before) + 1)[:, -1]
    assert np.exp(-last).sum() == pytest.approx(1)


@pytest.mark.parametrize("known", [[np.array([0])], [np.array([3, 3, 3])], [np.array([7])] * 3])
def test_ngrams_of_hardly_any_data_are_finite(known: list[np.ndarray]) -> None:
    model = fit_ngrams(tokens(known), 8)
    losses = model.losses(tokens([np.array([0]), np.array([3, 3, 2**31 - 1]), np.array([7, 8])]))
    assert losses.shape == (6,)
    assert np.isfinite(losses).all()


def test_a_step_that_windows_share_is_counted_once() -> None:
    series = tokens([np.arange(40) % 4, np.arange(30) % 3])
    windows = series.windows(6, 2)
    merged = covered(windows)
    np.testing.assert_array_equal(merged.starts, series.starts)
    np.testing.assert_array_equal(merged.lengths, series.lengths)
    unknown = tokens(random_tokens(5, 3))
    np.testing.assert_array_equal(fit_ngrams(windows, 4).losses(unknown), fit_ngrams(series, 4).losses(unknown))


# -- bags --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS)
def test_bags_are_compared_as_plain_loops_do(content: Content) -> None:
    known, unknown = random_tokens(9, 0), random_tokens(7, 1, n_symbols=N_SYMBOLS + 1)
    distances = fit_bags(tokens(known), content, N_SYMBOLS).distances(tokens(unknown))
    expected = [naive.nearest_bag(plain(known), s, content) for s in plain(unknown)]
    np.testing.assert_allclose(distances, expected, atol=1e-7)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_known_sequence_is_near_and_one_of_unknown_symbols_far(content: Content) -> None:
    known = random_tokens(9, 0)
    bags = fit_bags(tokens(known), content, N_SYMBOLS)
    np.testing.assert_allclose(bags.distances(tokens(known)), 0, atol=1e-7)
    np.testing.assert_allclose(bags.distances(tokens([np.array([9, 2**31 - 1])])), np.sqrt(2))


# -- promises ----------------------------------------------------------------------------------------------------------


def test_counts_do_not_depend_on_company() -> None:
    known, unknown = tokens(random_tokens(30, 0)), random_tokens(50, 1, n_symbols=N_SYMBOLS + 1)
    ngrams, bags = fit_ngrams(known, N_SYMBOLS), [fit_bags(known, content, N_SYMBOLS) for content in CONTENTS]
    alone = [ngrams.losses(tokens([s])) for s in unknown]
    np.testing.assert_array_equal(ngrams.losses(tokens(unknown)), np.concatenate(alone))
    for bag in bags:
        apart = [bag.distances(tokens([s]))[0] for s in unknown]
        np.testing.assert_array_equal(bag.distances(tokens(unknown)), apart)


def test_counts_come_back_from_their_arrays() -> None:
    known, unknown = tokens(random_tokens(9, 0)), tokens(random_tokens(9, 1))
    ngrams, bags = fit_ngrams(known, N_SYMBOLS), fit_bags(known, "pairs", N_SYMBOLS)
    np.testing.assert_array_equal(
        NGramModel.from_arrays(Arrays(ngrams.to_arrays())).losses(unknown), ngrams.losses(unknown)
    )
    again = Bags.from_arrays("pairs", Arrays(bags.to_arrays()))
    np.testing.assert_array_equal(again.distances(unknown), bags.distances(unknown))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("places", [0, 99]),
        ("places", [-1, 0]),
        ("starts", [0, 1]),
        ("starts", [1, 2]),
        ("words", [3, 3]),
        ("numbers", [1, 0]),
        ("numbers", [1.0, 1.0]),
    ],
)
def test_bags_that_do_not_fit_together_are_refused(name: str, array: list[float]) -> None:
    arrays = fit_bags(tokens([np.array([1, 3])]), "symbols", N_SYMBOLS).to_arrays() | {name: np.array(array)}
    with pytest.raises(ModelFileError, match=rf"{name} (must|holds)|starts and words do not fit"):
        Bags.from_arrays("symbols", Arrays(arrays))


@pytest.mark.parametrize(
    ("name", "array"), [("keys0", [4, 1, 5]), ("keys0", [1, 3, 99]), ("counts0", [1]), ("keys1", [])]
)
def test_ngrams_that_do_not_fit_together_are_refused(name: str, array: list[int]) -> None:
    arrays = fit_ngrams(tokens([np.array([1, 3])]), N_SYMBOLS).to_arrays() | {name: np.array(array, np.int64)}
    with pytest.raises(ModelFileError, match=rf"{name} (must|holds|is empty)|counts[01] must"):
        NGramModel.from_arrays(Arrays(arrays))


# -- in a score --------------------------------------------------------------------------------------------------------


def test_cross_entropies_are_means_and_yield_to_counting_where_they_are_poor() -> None:
    score = known_scores()
    part = Part(score["error"], fit_measure(score["error"], np.array([[1.0], [3.0]]), are_tokens=True))
    np.testing.assert_array_equal(part.measure.score(np.array([[4.0]])), [2.0])
    counts = Part(score["ngram"], MeanSurprise(np.array([1.0])))
    bags = Part(score["pairs"], MeanError(np.array([9.0])))
    weights = [p.weight for p in weighted((part, counts, bags))]
    np.testing.assert_allclose(weights, [np.exp(-1), 1, 1])
    better = Part(score["error"], fit_measure(score["error"], np.array([[0.0]]), are_tokens=True))
    assert [p.weight for p in weighted((better, counts))] == [1, 1]


# -- detectors of tokens -----------------------------------------------------------------------------------------------


def loops(n_sequences: int, seed: int) -> list[np.ndarray]:
    """0 1 2 3 over and over, from anywhere, with a rare repetition."""
    rng = np.random.default_rng(seed)
    steps = [rng.random(rng.integers(20, 40)) > 0.05 for _ in range(n_sequences)]
    return [(rng.integers(4) + np.cumsum(step)) % 4 for step in steps]


def broken_loop() -> np.ndarray:
    broken = np.arange(30) % 4
    broken[12:18] = [1, 0, 3, 1, 0, 3]
    return broken


def detector(**parameters: object) -> AnomalyDetector:
    model = SequenceAutoencoder(
        "tokens", loss="cross_entropy", latent_size=2, hidden_size=8, max_epochs=4, batch_size=8, verbose=False
    )
    return AnomalyDetector(model, random_state=0, verbose=False, **parameters)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return detector().fit(tokens(loops(60, 0)))


def test_the_default_joins_the_autoencoder_and_the_counts(fitted: AnomalyDetector) -> None:
    assert [part.score.name for part in fitted.scorer_.parts] == ["error", "ngram", "symbols", "pairs"]
    scores = fitted.anomaly_score(tokens([*loops(20, 1), broken_loop()]))
    assert np.argmax(scores) == 20
    assert fitted.predict(tokens([broken_loop()])).tolist() == [-1]


def test_the_odd_steps_of_a_sequence_stand_out(fitted: AnomalyDetector) -> None:
    (steps,) = fitted.detect(tokens([broken_loop()])).scores
    assert 12 <= np.argmax(steps[:, 0]) < 19
    others = np.concatenate([steps[2:12, 0], steps[20:, 0]])
    assert np.median(steps[12:19, 0]) > others.max()


def test_windows_mark_the_odd_part_of_a_long_series() -> None:
    series = np.arange(400) % 4
    made = detector(window=10).fit(tokens([series]))
    broken = series[:200].copy()
    broken[100:106] = [1, 0, 3, 1, 0, 3]
    scores = made.anomaly_score(tokens([broken])).values
    assert 90 <= np.argmax(scores) < 116
    found = made.detect(tokens([broken])).intervals
    assert any(interval.start < 106 and interval.end > 100 for interval in found)


def test_symbols_that_were_never_seen_are_odd(fitted: AnomalyDetector) -> None:
    x = np.arange(30) % 4
    strange = x.copy()
    strange[10] = 2**31 - 1
    scores = fitted.anomaly_score(tokens([x, strange, np.array([9])]))
    assert np.isfinite(scores).all()
    assert scores[1] > scores[0]
    for part in ("error", "ngram"):
        made = detector(score=part).fit(tokens(loops(60, 0)))
        assert np.argmax(made.detect(tokens([strange])).scores[0][:, 0]) == 10


def test_a_symbol_that_only_the_held_out_part_has_is_no_obstacle() -> None:
    X = [*loops(20, 0)]
    for i in range(len(X)):
        rare = [s.copy() for s in X]
        rare[i][0] = 6
        made = detector(score=("ngram", "symbols", "pairs"), held_out_fraction=0.5, baseline=None)
        made.set_params(autoencoder__max_epochs=1).fit(tokens(rare))
        if int(made.autoencoder_.shape_.n_symbols or 0) < 7:  # pyright: ignore[reportOptionalMemberAccess]
            assert np.isfinite(made.threshold_)
            return
    pytest.fail("the symbol was never held out")


def test_token_scores_do_not_depend_on_company(fitted: AnomalyDetector) -> None:
    X = [*loops(20, 3), broken_loop(), np.array([2])]
    scores = fitted.anomaly_score(tokens(X))
    alone = np.array([fitted.anomaly_score(tokens([x]))[0] for x in X])
    assert_same(scores, alone)


@pytest.mark.parametrize("parameters", [{}, {"baseline": "ngram"}, {"score": ("error", "latent")}])
def test_a_detector_of_tokens_is_kept(parameters: dict[str, object], tmp_path: Path) -> None:
    made = detector(**parameters).fit(tokens(loops(30, 0)))
    made.save(tmp_path / "d.seqae")
    loaded = seqae.load(tmp_path / "d.seqae")
    X = tokens([*loops(5, 1), broken_loop()])
    np.testing.assert_array_equal(loaded.decision_function(X), made.decision_function(X))


def test_counting_alone_needs_no_autoencoder() -> None:
    made = detector(baseline="ngram").fit(tokens(loops(60, 0)))
    assert made.autoencoder_ is None
    assert made.predict(tokens([np.arange(30) % 4, broken_loop()])).tolist() == [1, -1]


def test_tokens_have_an_autoencoder_by_default() -> None:
    made = AnomalyDetector(random_state=0, verbose=False, score="error").fit(tokens(loops(8, 0)))
    assert np.isfinite(made.anomaly_score(tokens([broken_loop()]))).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"baseline": "pca"}, "baseline='ngram' takes tokens"),
        ({"score": "linear"}, "'linear' is of vectors"),
        ({"score": ("error", "nearest")}, "'nearest' is of vectors"),
        ({"baseline": "ngram", "score": "latent"}, "has the scores"),
    ],
)
def test_what_does_not_suit_tokens_is_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        detector(**parameters).fit(tokens(loops(8, 0)))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"baseline": "ngram"}, InvalidSequence, "holds vectors .* tokens are wanted"),
        ({"score": "pairs"}, InvalidParameter, "of tokens"),
    ],
)
def test_what_does_not_suit_vectors_is_named(
    parameters: dict[str, object], error: type[Exception], message: str
) -> None:
    X = [np.random.default_rng(i).normal(size=(12, 2)) for i in range(6)]
    with pytest.raises(error, match=message):
        AnomalyDetector(SequenceAutoencoder(verbose=False), verbose=False, **parameters).fit(X)  # pyright: ignore


def test_counting_takes_text() -> None:
    made = AnomalyDetector(baseline="ngram", random_state=0, verbose=False).fit(["abc", "abcabc", "abcab"] * 10)
    assert made.vocabulary_ == ("a", "b", "c")
    assert made.predict(["abcabc", "acbxx"]).tolist() == [1, -1]


def test_vectors_are_refused_by_a_detector_of_tokens(fitted: AnomalyDetector) -> None:
    with pytest.raises(InvalidSequence, match="tokens are wanted"):
        fitted.predict([np.zeros((5, 1))])


def test_a_token_of_a_stream_scores_as_its_window_does_in_batch() -> None:
    made = detector(window=10).fit(tokens([np.arange(200) % 4]))
    series = np.append(broken_loop(), 2**31 - 1)
    one, two = Stream(made), Stream(made, 2)
    scores = np.array([one.push(int(token)) for token in series])
    together = np.array([two.push([token, 3]) for token in series])
    expected = [made.anomaly_score(tokens([series[end - 10 : end]]))[0][-1, 0] for end in range(10, len(series) + 1)]
    assert np.isnan(scores[:9]).all()
    assert_same(scores[9:], np.array(expected))
    assert_same(together[9:, 0], scores[9:])
    for wrong in (1.5, -1, 2**31, [1, 2]):
        with pytest.raises(InvalidSequence, match="tokens"):
            one.push(wrong)
