"""Figures say what their results hold, and are written whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from seqae import AnomalyDetector, Detection, Ragged, SequenceAutoencoder, compare, plots, read
from seqae.cli import app
from seqae.errors import InvalidParameter, MissingExtra
from seqae.examination import Examination, examine
from seqae.plots.detection import thinned
from seqae.plots.sequences import error_bins

from .conftest import make_waves
from .test_cli import make_walks


@pytest.fixture(scope="module")
def examined() -> Examination:
    waves = make_waves(40, seed=0)
    model = SequenceAutoencoder("repeat", latent_size=4, hidden_size=8, max_epochs=3, random_state=0, verbose=False)
    return examine(model.fit(waves), waves, labels=np.arange(40) % 3)


@pytest.fixture(scope="module")
def detection() -> Detection:
    normal, other = (make_waves(1, seed=seed, shortest=300, longest=300)[0] for seed in (0, 0))
    other = other.copy()
    other[150:160, 1] += 4
    return AnomalyDetector(baseline="pca", window=10, random_state=0).fit([normal]).detect([other])


def test_all_figures_of_a_data_set(examined: Examination, tmp_path: Path) -> None:
    paths = plots.save_all(examined, tmp_path / "new" / "figures")
    assert {path.stem for path in paths} == {
        "loss", "architecture", "reconstructions", "error_map", "lengths", "spectrum",
        "map_by_error", "map_by_length", "map_by_kind", "map_by_label",
    }  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_same_figure_same_bytes(examined: Examination, tmp_path: Path, suffix: str) -> None:
    written = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{suffix}"
        plots.save(plots.vectors(examined, "label"), path)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_reconstructions_draw_data_and_reconstruction(examined: Examination) -> None:
    axes = plots.reconstructions(examined).axes
    worst = int(examined.worst_first[0])
    data, again = (line.get_ydata() for line in axes[0].lines)
    place = int(np.flatnonzero(examined.shown == worst)[0])
    assert_allclose(data, examined.source.ragged[worst][:, 0])
    assert_allclose(again, examined.again[place][:, 0])
    assert axes[0].get_title("left").startswith(f"worst: {worst}")


def test_loss_marks_the_epoch_that_was_kept(examined: Examination) -> None:
    (axes,) = plots.loss(examined.history).axes
    training, validation, kept = axes.lines
    assert_allclose(training.get_ydata(), [epoch.training_loss for epoch in examined.history.epochs])
    assert_allclose(validation.get_ydata(), [epoch.validation_loss for epoch in examined.history.epochs])
    assert kept.get_xdata()[0] == examined.history.best_epoch


def test_error_bins_are_those_of_a_loop(examined: Examination) -> None:
    bins: list[list[float]] = [[] for _ in range(5)]
    for losses in examined.losses:
        for t, step in enumerate(losses):
            bins[int((t + 0.5) / len(losses) * 5)].append(float(step[1]))
    assert_allclose(error_bins(examined, 5)[1], [np.mean(part) for part in bins], rtol=1e-5)


def test_timeline_shades_what_is_marked(detection: Detection) -> None:
    drawn = plots.timeline(detection)
    series = next(axes for axes in drawn.axes if axes.get_ylabel() == "score")
    spans = [patch.get_x() for patch in series.patches]  # pyright: ignore[reportAttributeAccessIssue]
    assert spans == [interval.start for interval in detection.intervals]
    blame = next(axes for axes in drawn.axes if axes.get_title("left") == "Who is to blame")
    assert len(blame.get_yticklabels()) == len(detection.intervals)


def test_whole_sequences_and_none_found(tmp_path: Path) -> None:
    waves = make_waves(40, seed=0, shortest=20, longest=20)
    odd = [*make_waves(10, seed=1, shortest=20, longest=20), 9 + np.zeros((20, 2))]
    found = AnomalyDetector(baseline="pca", window=None, random_state=0).fit(waves).detect(odd)
    (axes,) = plots.timeline(found).axes
    assert axes.get_title("left").startswith(f"{found.is_anomaly.sum()} of 11")
    quiet = AnomalyDetector(baseline="pca", window=5, threshold=1e9).fit(waves).detect(waves)
    assert plots.save_all(quiet, tmp_path)[0].exists()


def test_comparison_shows_every_row(tmp_path: Path) -> None:
    result = compare(make_waves(40, seed=0), architectures=["linear"], latent_size=8, n_seeds=1, verbose=False)
    (axes,) = plots.comparison(result).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [row.name for row in result.rows]
    assert plots.save_all(result, tmp_path)[0].name == "comparison.png"


def drawn_whole(examined: Examination) -> None:
    """Every figure, laid out as for saving; a warning of matplotlib's is an error."""
    for draw in (plots.overview, plots.architecture, plots.error_map, plots.lengths, plots.spectrum, plots.vectors):
        draw(examined).draw_without_rendering()


@pytest.mark.parametrize("X", [[np.zeros((1, 1))], [np.ones((1, 3)), np.zeros((4, 3))]], ids=["one step", "two"])
def test_tiny_data(X: list[np.ndarray]) -> None:
    waves = [wave[:, :1].repeat(X[0].shape[1], axis=1) for wave in make_waves(20, seed=0)]
    model = SequenceAutoencoder("linear", latent_size=4, random_state=0, verbose=False).fit(waves)
    drawn_whole(examine(model, X))


def test_many_channels_and_names_that_are_no_mathematics() -> None:
    rng = np.random.default_rng(0)
    names = [f"$x_{{{k}}}^\x07 {'long ' * 9}</script>" for k in range(60)]
    source = read([rng.normal(size=(n, 60)) for n in (9, 4, 6, 5, 7)], channels=names)
    drawn_whole(
        examine(SequenceAutoencoder("linear", latent_size=4, random_state=0, verbose=False).fit(source), source)
    )


def test_tokens() -> None:
    tokens = Ragged.from_tokens([np.array([0, 1, 2, 1]), np.array([2, 2]), np.array([1])] * 4)
    model = SequenceAutoencoder("tokens", latent_size=4, hidden_size=8, max_epochs=1, random_state=0, verbose=False)
    drawn_whole(examine(model.fit(tokens), tokens))


def test_missing_values_are_gaps() -> None:
    waves = make_waves(20, seed=0)
    waves[0][1:, 0] = np.nan
    source = read(waves, missing="mask")
    examined = examine(
        SequenceAutoencoder("linear", latent_size=4, random_state=0, verbose=False).fit(source), source[:1]
    )
    data = plots.reconstructions(examined).axes[0].lines[0].get_ydata()
    assert np.isnan(data).sum() == len(waves[0]) - 1


def test_walk_ends_at_both_sequences() -> None:
    waves = make_waves(30, seed=0)
    model = SequenceAutoencoder("linear", latent_size=8, random_state=0, verbose=False).fit(waves)
    between = model.interpolate(waves[0], waves[1], 5)
    lines = plots.walk(between, model.channel_names_).axes[0].lines
    assert_allclose(lines[0].get_ydata(), between[0][:, 0])
    assert_allclose(lines[-1].get_ydata(), between[4][:, 0])


@given(st.integers(1, 400), st.integers(4, 60), st.integers(0, 99))
def test_thinned_curves_keep_their_extremes(n: int, most: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    values[np.random.default_rng(seed).random(n) < 0.1] = np.nan
    places = thinned(values, most)
    assert (np.diff(places) > 0).all()
    assert len(places) <= max(most + 2, 4)
    kept = values[places]
    if not np.isnan(values).all():
        assert np.nanmax(kept) == np.nanmax(values)
        assert np.nanmin(kept) == np.nanmin(values)


def test_what_cannot_be_drawn(examined: Examination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameter, match="result must be a History, Comparison, Detection, Examination"):
        plots.save_all(3, tmp_path)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidParameter, match=r"\.png, \.svg, \.pdf"):
        plots.check_figure_target(tmp_path / "a.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidParameter, match="cannot make the folder"):
        plots.save_all(examined, tmp_path / "file")
    with pytest.raises(InvalidParameter, match="cannot write"):
        plots.save(plots.loss(examined.history), tmp_path / "none" / "a.png")
    bare = examine(
        SequenceAutoencoder("linear", latent_size=4, verbose=False).fit([np.zeros((3, 1))] * 4), [np.zeros((3, 1))]
    )
    with pytest.raises(InvalidParameter, match="needs labels"):
        plots.vectors(bare, "label")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"seqae\[plots\]"):
        plots.loss(examined.history)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(part) for part in arguments])


def test_commands_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_walks().to_csv("walks.csv", index=False)
    layout = ["--id", "person", "--time", "second"]
    quick = ["--max-epochs", 1, "--hidden-size", 8, "--latent-size", 4]
    commands = [
        ["fit", "walks.csv", *layout, *quick, "--architecture", "composite", "-o", "m.seqae"],
        ["forecast", "m.seqae", "walks.csv", *layout, "--steps", 3, "-o", "next.csv"],
        ["detect", "walks.csv", *layout, "--normal", "walks.csv", "--score", "error", *quick, "-o", "found.csv"],
        ["compare", "walks.csv", *layout, *quick, "--architectures", "repeat", "--n-seeds", 1],
    ]
    for command in commands:
        result = run(*command, "--plot", f"{command[0]}.png")
        assert result.exit_code == 0, result.output
        assert Path(f"{command[0]}.png").read_bytes().startswith(b"\x89PNG")
        refused = run(*command, "--plot", "figure.gif")
        assert refused.exit_code == 2
        assert "cannot write figure.gif" in refused.stderr
