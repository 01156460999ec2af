"""seqae detect: from files to a file, with ids and times."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from seqae import AnomalyDetector, Events, SequenceAutoencoder, load
from seqae.cli import app
from seqae.cli.learning import AutoencoderOptions, LearningOptions
from seqae.cli.training import ModelOptions, TrainingOptions

from .test_detect import SPIKE, WINDOW, autoencoder, broken_wave, detector, wave


def run(*arguments: object, columns: str = "80") -> Result:
    return CliRunner().invoke(app, ["detect", *(str(argument) for argument in arguments)], env={"COLUMNS": columns})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detect")
    for name, x in (("normal", wave(600)), ("today", broken_wave())):
        minutes = pd.date_range("2026-01-01", periods=len(x), freq="min")
        pd.DataFrame({"minute": minutes, "a": x[:, 0], "b": x[:, 1]}).to_csv(path / f"{name}.csv", index=False)
    autoencoder().fit([wave(600, 5)[i : i + WINDOW] for i in range(0, 580, 20)]).save(path / "model.seqae")
    return path


def test_intervals_steps_and_sequences_are_written(folder: Path) -> None:
    normal = ("--normal", folder / "normal.csv", "--model", folder / "model.seqae", "--time", "minute")
    target, kept = folder / "found.csv", folder / "kept.seqae"
    result = run(folder / "today.csv", "-o", target, *normal, "--window", WINDOW, "--save", kept)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(target, parse_dates=["peak_time"])
    top = found.loc[found["score"].idxmax()]
    assert SPIKE[0] - WINDOW <= top["peak"] < SPIKE[1] + WINDOW
    assert top["peak_time"] == pd.Timestamp("2026-01-01") + pd.Timedelta(minutes=int(top["peak"]))
    assert top["share_b"] > 0.5
    steps = folder / "steps.parquet"
    result = run(folder / "today.csv", "-o", steps, "--model", kept, "--time", "minute", "--rows", "step")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(steps)
    assert table["step"].tolist() == list(range(500))
    assert table["is_anomaly"].sum() == np.sum(found["end"] - found["start"])


def test_a_saved_detector_takes_another_threshold(folder: Path) -> None:
    learning = ("--normal", folder / "normal.csv", "--model", folder / "model.seqae", "--window", WINDOW)
    result = run(
        folder / "today.csv", "-o", folder / "a.csv", *learning, "--time", "minute", "--save", folder / "s.seqae"
    )
    assert result.exit_code == 0, result.output
    kept = ("--model", folder / "s.seqae", "--time", "minute", "--rows", "step")
    for threshold, limits in (("2.5", {2.5}), ("none", {np.inf})):
        result = run(folder / "today.csv", "-o", folder / "b.csv", *kept, "--threshold", threshold)
        assert result.exit_code == 0, result.output
        assert set(pd.read_csv(folder / "b.csv")["threshold"]) == limits


def test_info_tells_what_a_detector_judges_and_by_what(folder: Path) -> None:
    for name, parameters in {"windows": {}, "pca": {"baseline": "pca", "threshold": 3.5}}.items():
        detector(**parameters).fit([wave(600)]).save(folder / f"{name}.seqae")
    told = CliRunner().invoke(app, ["info", str(folder / "windows.seqae")]).stdout
    for line in ("through windows of 20", "error, linear, nearest", "by Events(merge=20)", "repeat", "channel_0"):
        assert line in told
    told = CliRunner().invoke(app, ["info", str(folder / "pca.seqae")]).stdout
    for line in ("score", "error", "3.5, by Fixed(value=3.5)", "pca", "channel_0, channel_1"):
        assert line in told


AWKWARD = {
    "one row": "minute,a,b\n2026-01-01,0.5,0.5\n",
    "two rows": "minute,a,b\n2026-01-01,0.5,0.5\n2026-01-02,0.5,0.5\n",
    "a constant channel": "minute,a,b\n" + "".join(f"{k},{k % 7},3\n" for k in range(90)),
    "constant channels": "minute,a,b\n" + "".join(f"{k},3,3\n" for k in range(90)),
    "a gap": "minute,a,b\n" + "".join(f"{k if k < 40 else k + 99},{k % 7},{k % 5}\n" for k in range(90)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_data_has_finite_scores(name: str, folder: Path) -> None:
    (folder / "awkward.csv").write_text(AWKWARD[name])
    learning = ("--model", folder / "model.seqae", "--normal", folder / "normal.csv", "--window", WINDOW)
    for rows in ("step", "sequence", "interval"):
        result = run(folder / "awkward.csv", "-o", folder / "f.csv", *learning, "--time", "minute", "--rows", rows)
        assert result.exit_code == 0, result.output
        assert np.isfinite(pd.read_csv(folder / "f.csv")["score"].to_numpy(float)).all()


@pytest.mark.parametrize("columns", ["60", "160"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --normal FILE"),
        (("--model", "model.seqae"), "not a detector"),
        (("--normal", "normal.csv", "--window", "week"), "--window must be"),
        (("--normal", "normal.csv", "--score", "density"), "score must be"),
        (("--normal", "normal.csv", "--threshold", "median"), "threshold must be"),
        (("--normal", "normal.csv", "--threshold", "nan"), "threshold must be"),
        (("--normal", "normal.csv", "--threshold", "fbeta"), "which the command line does not take"),
        (("--normal", "normal.csv", "--window", "²"), "--window must be"),
        (("--normal", "normal.csv", "--window", "0"), "at least 2"),
        (("--normal", "normal.csv", "--window", "9" * 30), "is too long for series of at most 600 steps"),
        (("--normal", "normal.csv", "--window", "none"), "at least 2 normal ones, got 1; pass more, or --window for"),
        (("--normal", "normal.csv", "--score", "error,,linear"), "score must be one of"),
        (("--normal", "nothing.csv"), "no such file"),
        (("--normal", "empty.csv"), "is empty"),
        (("--normal", "one.csv"), "is too long for series of at most 1 steps"),
        (("--normal", "unsorted.csv"), "minute falls from"),
        (("--normal", "hole.csv", "--missing", "error"), "read the data with --missing mask"),
        (("--model", "model.seqae", "--window", "9"), "--window is for learning; add --normal"),
        (("--model", "model.seqae", "--seed", "9"), "--seed is for learning; add --normal"),
        (("--model", "model.seqae", "--max-epochs", "9"), "--max-epochs is for learning; add --normal"),
        (
            ("--normal", "normal.csv", "--model", "model.seqae", "--cell", "gru"),
            "--cell is for training, but the --model",
        ),
        (("--normal", "normal.csv", "--baseline", "pca", "--cell", "gru"), "but the --baseline has none"),
        (("--normal", "normal.csv", "--baseline", "lof"), "--baseline must be one of"),
        (("--normal", "normal.csv", "--stride", "0"), "--stride must be"),
        (("--normal", "normal.csv", "--held-out-fraction", "1"), "--held-out-fraction must be"),
        (("--model", "nothing.seqae"), "cannot be opened"),
    ],
)
def test_mistakes_are_one_line(options: tuple[str, ...], message: str, columns: str, folder: Path) -> None:
    (folder / "empty.csv").write_text("")
    (folder / "one.csv").write_text("minute,a,b\n1,2,3\n")
    (folder / "unsorted.csv").write_text("minute,a,b\n1,2,3\n3,2,3\n2,2,3\n")
    (folder / "hole.csv").write_text("minute,a,b\n1,2,3\n3,,3\n")
    before = set(folder.iterdir())
    paths = [folder / option if option.endswith((".csv", ".seqae")) else option for option in options]
    result = run(folder / "today.csv", "-o", folder / "none.csv", "--time", "minute", *paths, columns=columns)
    assert result.exit_code == 2, result.exception
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert set(folder.iterdir()) == before


def test_the_normal_file_can_be_judged_which_is_told(folder: Path) -> None:
    own = (folder / "normal.csv", "-o", folder / "own.csv", "--normal", folder / ".." / folder.name / "normal.csv")
    learning = ("--model", folder / "model.seqae", "--time", "minute", "--window", WINDOW)
    result = run(*own, *learning)
    assert result.exit_code == 0
    assert "note: the limit was learnt from these data" in result.stderr
    for threshold in ("scored", "dynamic"):
        result = run(*own, *learning, "--threshold", threshold)
        assert result.exit_code == 0
        assert "learnt from these data" not in result.stderr


def test_scores_that_moved_are_told(folder: Path) -> None:
    detector(baseline="pca").fit([wave(600)]).save(folder / "moved.seqae")
    x = wave(300, 9) * 1.5
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1]}).to_csv(folder / "moved.csv", index=False)
    pd.DataFrame({"a": wave(300, 8)[:, 0], "b": wave(300, 8)[:, 1]}).to_csv(folder / "alike.csv", index=False)
    for name, is_told in (("moved", True), ("alike", False)):
        result = run(
            folder / f"{name}.csv", "-o", folder / "found.csv", "--model", folder / "moved.seqae", "--channels", "a,b"
        )
        assert result.exit_code == 0, result.output
        assert ("note: scores have moved: population stability" in result.stderr) == is_told


def test_events_are_as_options_say(folder: Path) -> None:
    learning = ("--normal", folder / "normal.csv", "--baseline", "pca", "--time", "minute", "--window", WINDOW)
    target = folder / "events.csv"
    options = ("--merge", 5, "--shortest", 4, "--max-alarms-per-day", 50)
    result = run(folder / "today.csv", "-o", target, *learning, *options, "--save", folder / "events.seqae")
    assert result.exit_code == 0, result.output
    assert load(folder / "events.seqae").threshold == Events(merge=5, shortest=4, max_alarms_per_day=50.0)
    found = pd.read_csv(target)
    assert len(found)
    assert (found["end"] - found["start"]).min() >= 4
    kept = ("--model", folder / "events.seqae", "--time", "minute")
    again = run(folder / "today.csv", "-o", target, *kept, "--shortest", 60)
    assert again.exit_code == 0, again.output
    assert not len(pd.read_csv(target))
    assert "note: the highest score is" in again.stderr
    result = run(folder / "today.csv", "-o", target, *learning, "--merge", 5, "--threshold", "sigmas")
    assert result.exit_code == 2
    assert "--merge is for events" in result.stderr


def test_what_was_chosen_is_told(folder: Path) -> None:
    arguments = (folder / "today.csv", "-o", folder / "told.csv", "--normal", folder / "normal.csv", "--time", "minute")
    chosen = ("--latent-size", 4, "--hidden-size", 8, "--max-epochs", 2, "--stride", 3, "--held-out-fraction", 0.3)
    result = run(*arguments, *chosen, "--save", folder / "told.seqae", "--threshold", "sigmas")
    assert result.exit_code == 0, result.output
    detector = load(folder / "told.seqae")
    model = detector.autoencoder_
    assert (model.latent_size, model.hidden_size, len(model.history_.epochs)) == (4, 8, 2)
    assert (detector.window_, detector.stride, detector.held_out_fraction) == (WINDOW, 3, 0.3)
    assert result.stderr.splitlines() == [
        f"judges steps, through windows of {WINDOW}, 3 apart, by error, linear, nearest",
        f"limit {detector.threshold_:.4g}, by MeanPlusSigmas(n_sigmas=3.0); 180 steps were held out",
        "in the 0.12 days held out, 0 events above the limit",
        f"autoencoder: best epoch {model.history_.best_epoch} of 2 (all were run)",
    ]
    result = run(*arguments, "--baseline", "pca", "--window", WINDOW)
    assert result.exit_code == 0, result.output
    assert len(result.stderr.splitlines()) == 3


def test_defaults_are_those_of_python(folder: Path) -> None:
    in_python = inspect.signature(AnomalyDetector).parameters
    for field in fields(LearningOptions):
        if field.name != "random_state":
            assert field.default == in_python[field.name].default, field.name
    for group in (ModelOptions, TrainingOptions, AutoencoderOptions):
        for field in fields(group):
            if field.name == "architecture":
                continue  # None: tokens for symbols
            usual = inspect.signature(SequenceAutoencoder).parameters[field.name].default
            assert field.default == usual, field.name


def test_the_time_zone_of_times_is_kept(tmp_path: Path) -> None:
    for name, x in (("normal", wave(600)), ("today", broken_wave())):
        times = pd.date_range("2026-03-28 20:00", periods=len(x), freq="min", tz="Europe/Berlin")
        pd.DataFrame({"minute": times, "a": x[:, 0], "b": x[:, 1]}).to_parquet(tmp_path / f"{name}.parquet")
    arguments = (tmp_path / "today.parquet", "--normal", tmp_path / "normal.parquet", "--time", "minute")
    result = run(*arguments, "--baseline", "pca", "--window", WINDOW, "-o", tmp_path / "found.parquet")
    assert result.exit_code == 0, result.output
    found = pd.read_parquet(tmp_path / "found.parquet")
    assert len(found)
    for name in ("start_time", "end_time", "peak_time"):
        assert str(found[name].dt.tz) == "Europe/Berlin"
    last = found["end"].to_numpy() - 1  # end is not in the interval, the step before it is its last
    expected = pd.Timestamp("2026-03-28 20:00", tz="Europe/Berlin") + pd.to_timedelta(last, unit="min")
    assert found["end_time"].tolist() == list(expected)
    result = run(*arguments, "--baseline", "pca", "--window", WINDOW, "--rows", "step", "-o", tmp_path / "s.parquet")
    assert result.exit_code == 0, result.output
    assert str(pd.read_parquet(tmp_path / "s.parquet")["minute"].dt.tz) == "Europe/Berlin"
