"""Cards in notebooks and reprs: what they say, and that text stays text."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from seqae import AnomalyDetector, History, SequenceAutoencoder, compare, read
from seqae.cards import MOST_TEXT, card
from seqae.examination import examine

from .conftest import make_waves

EVIL = "</td><script>alert(1)</script>"


class Tags(HTMLParser):
    """The tags that a reader of HTML opens, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.fixture(scope="module")
def model() -> SequenceAutoencoder:
    return SequenceAutoencoder("linear", latent_size=3, verbose=False, random_state=0).fit(make_waves(30, seed=0))


def test_text_on_a_card_is_escaped_and_cut() -> None:
    shown = Tags(card(EVIL, {EVIL: EVIL, "long": "x" * 1000}))
    assert shown.tags == {"div", "strong", "table", "tr", "th", "td", "bdi"}
    assert shown.text.count(EVIL) == 3
    assert "x" * MOST_TEXT + "…" in shown.text
    assert "x" * (MOST_TEXT + 1) not in shown.text


def test_an_estimator_tells_what_was_set_and_what_was_found(model: SequenceAutoencoder) -> None:
    fresh = SequenceAutoencoder(latent_size=3)
    assert fresh.facts() == {"latent_size": "3", "fitted": "no"}
    assert repr(fresh) == "SequenceAutoencoder(latent_size=3)"
    explained = f"{model.history_.explained:.1%} of held-out variance"
    assert "latent size 3" in repr(model)
    assert explained in repr(model)
    assert explained in Tags(model._repr_html_()).text
    assert model._repr_mimebundle_()["text/html"] == model._repr_html_()
    assert "fitted" not in model.facts()
    assert "\n" not in repr(model)
    assert "SequenceAutoencoder(" in repr(make_pipeline(model))


def test_a_detector_and_what_it_finds() -> None:
    wave = make_waves(1, seed=0, shortest=300, longest=300)[0]
    other = wave.copy()
    other[150:160, 1] += 4
    frame = pd.DataFrame(other, columns=["a", "b"][: other.shape[1]] or None)
    detector = AnomalyDetector(baseline="pca", window=10, verbose=False, random_state=0).fit([wave])
    assert detector.facts()["window"] == "10"
    found = detector.detect(frame.assign(name=EVIL).pipe(read, id="name"))
    top = max(found.intervals, key=lambda one: one.score)
    shown = Tags(found._repr_html_())
    assert f"name {EVIL}, steps {top.start}..{top.end - 1}" in shown.text
    assert "script" not in shown.tags


def test_results_tell_their_figures(model: SequenceAutoencoder) -> None:
    waves = make_waves(30, seed=0)
    assert repr(model.history_).startswith("History(epochs 0, explained ")
    assert repr(History((), 0, "patience")) == "History(epochs 0, seconds 0, stopped by patience)"
    examined = examine(model, waves)
    assert examined.facts()["sequences"] == "30"
    assert Tags(examined._repr_html_()).text.count(examined.quality.verdict[:50]) == 1
    compared = compare(waves, architectures=["linear"], latent_size=3, n_seeds=1, verbose=False)
    for row in compared.rows:
        assert f"{row.name}: error {row.error:.4g}" in repr(compared)
    source = read(pd.DataFrame({"who": ["a", "a", "b"], "t": [0, 1, 0], "x": np.arange(3.0)}), id="who", time="t")
    assert (
        repr(source) == "Source(Ragged(2 sequences of 1..2 steps, 1 channels), ids from who, times from t, channels x)"
    )
